//! Files and folders as they stand at one moment.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::Context as _;

/// A tree of files by their paths below the root.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Image(BTreeMap<String, Entry>);

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Folder,
    File(Vec<u8>),
    /// Its content does not count.
    Mapped(usize),
}

impl Image {
    pub(super) fn add_folder(&mut self, path: &str) {
        self.0.insert(path.to_owned(), Entry::Folder);
    }

    pub(super) fn add_file(&mut self, path: &str, content: Vec<u8>, is_mapped: bool) {
        let entry = if is_mapped { Entry::Mapped(content.len()) } else { Entry::File(content) };
        self.0.insert(path.to_owned(), entry);
    }

    /// What is below `root` now.
    pub(super) fn of_folder(root: &Path) -> anyhow::Result<Self> {
        let mut image = Self::default();
        image.read(root, "")?;
        Ok(image)
    }

    fn read(&mut self, folder: &Path, path: &str) -> anyhow::Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|name| anyhow::anyhow!("a name {name:?}"))?;
            let below = if path.is_empty() { name } else { format!("{path}/{name}") };
            if entry.file_type()?.is_dir() {
                self.add_folder(&below);
                self.read(&entry.path(), &below)?;
            } else {
                self.add_file(&below, fs::read(entry.path())?, false);
            }
        }
        Ok(())
    }

    /// Every path with its content, none for a folder; folders come before what is in them.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.0.iter().map(|(path, entry)| match entry {
            Entry::Folder => (path.as_str(), None),
            Entry::File(content) => (path.as_str(), Some(content.as_slice())),
            Entry::Mapped(_) => (path.as_str(), Some([].as_slice())),
        })
    }

    /// How this differs from `live`, at its first difference. Of what is mapped only the presence counts.
    pub(super) fn difference(&self, live: &Self) -> Option<String> {
        for (path, entry) in &self.0 {
            match (entry, live.0.get(path)) {
                (_, None) => return Some(format!("`{path}` is not there")),
                (Entry::Folder, Some(Entry::Folder)) | (Entry::Mapped(_), Some(Entry::File(_) | Entry::Mapped(_))) => {}
                (Entry::File(ours), Some(Entry::File(theirs))) if ours == theirs => {}
                (Entry::File(ours), Some(Entry::File(theirs))) => {
                    let at = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
                    return Some(format!("`{path}` of {} bytes and {} differs at {at}", ours.len(), theirs.len()));
                }
                (Entry::Folder | Entry::File(_) | Entry::Mapped(_), Some(_)) => {
                    return Some(format!("`{path}` is something else"));
                }
            }
        }
        live.0.keys().find(|path| !self.0.contains_key(*path)).map(|path| format!("`{path}` was never made"))
    }

    /// Writes it to `root`, which must not exist; open to its owner alone, as Lapwing's programs make their files.
    pub(super) fn write(&self, root: &Path) -> anyhow::Result<()> {
        DirBuilder::new().mode(0o700).create(root).with_context(|| format!("cannot make `{}`", root.display()))?;
        for (path, entry) in &self.0 {
            let place = root.join(path);
            let content = match entry {
                Entry::Folder => {
                    DirBuilder::new().mode(0o700).create(&place)?;
                    continue;
                }
                Entry::File(content) => content.clone(),
                // Memory that was shared comes back as anything.
                Entry::Mapped(length) => vec![0xA5; *length],
            };
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place)?;
            file.write_all(&content)?;
        }
        Ok(())
    }
}
