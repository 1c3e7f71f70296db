//! Files that the configuration of channels names: certificates and passwords, and secrets for their owner alone.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

/// Largest file, in bytes.
const MAX_BYTES: u64 = 256 * 1024;
const OTHERS: u32 = 0o077;

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// A file of certificates or a password.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    File::open(path).and_then(bounded).map_err(at(path))
}

/// A file that nobody but its owner may read, as text.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let read = || {
        let file = File::open(path)?;
        if file.metadata()?.permissions().mode() & OTHERS != 0 {
            let reason = "others than its owner may read it: chmod 600 it";
            return Err(io::Error::new(ErrorKind::PermissionDenied, reason));
        }
        let bytes = Zeroizing::new(bounded(file)?);
        let text = std::str::from_utf8(&bytes).map_err(|_| io::Error::other("is no text"))?;
        Ok(Zeroizing::new(text.to_owned()))
    };
    read().map_err(at(path))
}

/// Adds the authorities in a file to `roots`.
pub(super) fn trust(roots: &mut RootCertStore, path: &Path) -> Result<(), FileError> {
    let bytes = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|_| at(path)(io::Error::other("is no PEM")))?;
    if certificates.is_empty() {
        return Err(at(path)(io::Error::other("holds no certificate")));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| at(path)(io::Error::other(error)))?;
    }
    Ok(())
}

fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("larger than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

fn at(path: &Path) -> impl Fn(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { path: path.clone(), source }
}
