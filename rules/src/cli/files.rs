//! Reading bounded files, and writing whole ones or none.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use lapwing_rules::{Compiler, Date};

use super::Failure;

/// Largest pack file read, in bytes; the compiler names its own bound.
const MAX_PACK_FILE_BYTES: u64 = 64 * 1024 * 1024;
const MAX_PACKS: usize = 1000;

/// Who may read a written file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    Everybody,
    Owner,
}

/// A compiler with every `*.toml` of a folder, on this day.
pub(super) fn compiler(folder: &Path, today: Date) -> Result<Compiler, Failure> {
    let packs = packs(folder)?.into_iter();
    Ok(packs
        .fold(Compiler::new().today(today), |compiler, (path, text)| compiler.pack(path.display().to_string(), text)))
}

/// Every `*.toml` of a folder, by name.
pub(super) fn packs(folder: &Path) -> Result<Vec<(PathBuf, String)>, Failure> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read folder `{}`", folder.display()));
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries.map_err(Failure::BadInput)? {
        let path = entry.context("cannot read the folder")?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    if files.is_empty() || files.len() > MAX_PACKS {
        let message = anyhow!("folder `{}` holds {} packs, not 1 to {MAX_PACKS}", folder.display(), files.len());
        return Err(Failure::BadInput(message));
    }
    files.sort();
    let mut packs = Vec::new();
    for path in files {
        let text = String::from_utf8(read(&path, MAX_PACK_FILE_BYTES)?)
            .with_context(|| format!("pack `{}` is not UTF-8", path.display()))
            .map_err(Failure::BadInput)?;
        packs.push((path, text));
    }
    Ok(packs)
}

/// The bytes of a file of at most `max_bytes`.
pub(super) fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, Failure> {
    let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()));
    let mut bytes = Vec::new();
    let read = file.map_err(Failure::BadInput)?.take(max_bytes + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read `{}`", path.display())).map_err(Failure::BadInput)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= max_bytes) {
        return Ok(bytes);
    }
    Err(Failure::BadInput(anyhow!("`{}` is larger than {max_bytes} bytes", path.display())))
}

/// Refuses to write over what the command reads: an output that names a key by mistake would be the end of that key.
pub(super) fn refuse_input_as_output<'a>(
    output: &Path,
    mut inputs: impl Iterator<Item = &'a PathBuf>,
) -> Result<(), Failure> {
    // An output that is not there yet is no input.
    let Ok(output) = fs::canonicalize(output) else { return Ok(()) };
    match inputs.find(|input| fs::canonicalize(input).is_ok_and(|input| input == output)) {
        Some(input) => Err(Failure::BadInput(anyhow!("`--out` names `{}`, which is read", input.display()))),
        None => Ok(()),
    }
}

/// A text without the byte order mark that some editors write before it.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Writes a file whole, beside its place first, so that an earlier one is replaced by a complete one or stays.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let name = path.file_name().ok_or_else(|| Failure::BadInput(anyhow!("`{}` names no file", path.display())))?;
    let beside = path.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
    let written = create(&beside, bytes, Readers::Everybody).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The error below says what went wrong; a left-over that was never made is none.
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(())
}

/// Creates a file that is not there yet.
pub(super) fn create(path: &Path, bytes: &[u8], readers: Readers) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    restrict(&mut options, readers);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn restrict(options: &mut fs::OpenOptions, readers: Readers) {
    use std::os::unix::fs::OpenOptionsExt as _;
    if readers == Readers::Owner {
        options.mode(0o600);
    }
}

#[cfg(not(unix))]
fn restrict(_options: &mut fs::OpenOptions, _readers: Readers) {}

/// Refuses a secret that others can read.
#[cfg(unix)]
pub(super) fn check_secret(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = fs::metadata(path).with_context(|| format!("cannot open `{}`", path.display()));
    let mode = metadata.map_err(Failure::BadInput)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let message = anyhow!("`{}` can be read by others: set its mode to 0600", path.display());
    Err(Failure::BadInput(message))
}

/// Elsewhere than on Unix the folder's rights protect a secret.
#[cfg(not(unix))]
pub(super) fn check_secret(_path: &Path) -> Result<(), Failure> {
    Ok(())
}
