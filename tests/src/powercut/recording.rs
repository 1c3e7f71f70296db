//! From calls to a disk: which file each handle stands for, and what the program said meanwhile.
//!
//! One process with its threads is recorded, in a folder that nothing else writes. Calls that would change files in
//! ways this does not follow are refused; that nothing was overlooked is shown by [`Recording::check_whole`]. SQLite's
//! `-shm` is shared memory: what is in it is no durable state and is not followed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};

use super::disk::{Cut, Disk, Edit, Kind, Naming, NodeId, Safety, Span};
use super::image::Image;
use super::strace::Call;

/// A disk with its history, and what was said on standard output.
#[derive(Debug)]
pub(super) struct Recording {
    disk: Disk,
    told: Vec<Told>,
    /// Lines at which something happened, in order.
    moments: Vec<u64>,
}

/// A line that the program printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// When it was printed, or when the program's last message to a peer left before, which may have been the reason.
    pub(super) at: u64,
    pub(super) line: String,
}

/// What a handle stands for.
#[derive(Clone, Debug)]
enum Handle {
    Node {
        node: NodeId,
        safety: Safety,
        appends: bool,
        /// Shared by its duplicates.
        position: Arc<Mutex<u64>>,
    },
    /// A connection that was accepted.
    Peer,
}

impl Recording {
    /// Follows `calls` below `root`, which held `base` before.
    pub(super) fn follow(root: &Path, base: &Image, mut calls: Vec<Call>) -> anyhow::Result<Self> {
        let mut disk = Disk::new();
        let mut folders = BTreeMap::from([(String::new(), disk.root())]);
        for (path, content) in base.entries() {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let folder = folders.get(above).copied().context("a base without its folder")?;
            let node = disk.add_base(folder, name, content.map(<[u8]>::to_vec));
            folders.insert(path.to_owned(), node);
        }
        let mut names = BTreeMap::new();
        for node in folders.values().filter(|node| disk.kind(**node) == Kind::Folder) {
            names.insert(*node, disk.base(*node));
        }
        let mut follower =
            Follower { root: root.to_owned(), disk, names, handles: HashMap::new(), told: Vec::new(), sent: 0 };
        // A handle is there once its call has ended; all else goes by when a call began.
        calls.sort_by_key(|call| if call.makes_handle() { call.ended } else { call.began });
        let mut moments = Vec::new();
        for call in &calls {
            let what = || format!("{} at line {} of the recording", call.name, call.began);
            if follower.take(call).with_context(what)? {
                moments.push(call.ended);
            }
        }
        moments.sort_unstable();
        Ok(Self { disk: follower.disk, told: follower.told, moments })
    }

    /// Shows that replaying everything gives the files as they are.
    pub(super) fn check_whole(&self, live: &Image) -> anyhow::Result<()> {
        match self.disk.image(Cut::none()).difference(live) {
            None => Ok(()),
            Some(difference) => bail!("the recording does not give the live files: {difference}"),
        }
    }

    /// The files after a cut.
    pub(super) fn image(&self, cut: Cut) -> Image {
        self.disk.image(cut)
    }

    /// What was said up to line `at`.
    pub(super) fn told(&self, at: u64) -> impl Iterator<Item = &str> {
        self.told.iter().filter(move |told| told.at <= at).map(|told| told.line.as_str())
    }

    /// Where something was said.
    pub(super) fn told_at(&self) -> Vec<u64> {
        self.told.iter().map(|told| told.at).collect()
    }

    /// Where something happened to a file.
    pub(super) fn moments(&self) -> &[u64] {
        &self.moments
    }
}

struct Follower {
    root: PathBuf,
    disk: Disk,
    names: BTreeMap<NodeId, BTreeMap<String, NodeId>>,
    handles: HashMap<u64, Handle>,
    told: Vec<Told>,
    /// When a message last began to leave on an accepted connection, since something was told.
    sent: u64,
}

/// A place below the root: its folder and its name; none for the root itself.
type Place = Option<(NodeId, String)>;

impl Follower {
    /// Follows one call. Answers whether it concerned the files below the root.
    fn take(&mut self, call: &Call) -> anyhow::Result<bool> {
        let span = Span { began: call.began, ended: call.ended };
        match call.name.as_str() {
            "openat" => self.open(call, 1, 2, Some(0)),
            "open" => self.open(call, 0, 1, None),
            "close" => {
                self.handles.remove(&call.number(0)?);
                Ok(false)
            }
            "dup" | "dup2" | "dup3" => self.duplicate(call),
            "fcntl" if call.has(1, "F_DUPFD") || call.has(1, "F_DUPFD_CLOEXEC") => self.duplicate(call),
            "fcntl" => Ok(false),
            "lseek" => {
                if let Some(Handle::Node { position, .. }) = self.handles.get(&call.number(0)?) {
                    *position.lock().unwrap_or_else(PoisonError::into_inner) = call.answer;
                }
                Ok(false)
            }
            "write" | "pwrite64" => self.write(call, span),
            "ftruncate" => self.edit(call, span, Edit::Resize(call.number(1)?)),
            "fallocate" if call.number(1)? == 0 => {
                self.edit(call, span, Edit::Reserve(call.number(2)? + call.number(3)?))
            }
            "fsync" | "fdatasync" => {
                let Some((node, _)) = self.node(call.number(0)?) else { return Ok(false) };
                self.disk.sync(node, span);
                Ok(true)
            }
            "rename" => self.rename(call, span, (None, 0), (None, 1)),
            "renameat" | "renameat2" => self.rename(call, span, (Some(0), 1), (Some(2), 3)),
            "unlink" | "rmdir" => self.remove(call, span, None, 0),
            "unlinkat" => self.remove(call, span, Some(0), 1),
            "mkdir" => self.make_folder(call, span, None, 0),
            "mkdirat" => self.make_folder(call, span, Some(0), 1),
            "mmap" => self.map(call),
            "accept4" => {
                self.handles.insert(call.answer, Handle::Peer);
                Ok(false)
            }
            "sendto" | "sendmsg" | "writev" => self.send(call),
            "sync_file_range" => Ok(false),
            "link" | "linkat" | "symlink" | "symlinkat" | "truncate" | "creat" => self.refuse_paths(call),
            other => self.refuse(call, other),
        }
    }

    fn open(&mut self, call: &Call, path: usize, flags: usize, above: Option<usize>) -> anyhow::Result<bool> {
        let Some(place) = self.place(call, above, path)? else {
            self.handles.remove(&call.answer);
            return Ok(false);
        };
        let span = Span { began: call.began, ended: call.ended };
        let node = match self.find(&place) {
            Some(node) => node,
            None => {
                let Some((folder, name)) = place else { bail!("the root is gone") };
                let node = self.disk.add(Kind::File);
                self.name(span, Naming::Made { folder, name, node });
                node
            }
        };
        if call.has(flags, "O_TRUNC") {
            self.disk.edit(node, span, Edit::Resize(0), Safety::WhenSynced);
        }
        let synced = call.has(flags, "O_SYNC") || call.has(flags, "O_DSYNC");
        let safety = if synced { Safety::AtOnce } else { Safety::WhenSynced };
        let handle = Handle::Node { node, safety, appends: call.has(flags, "O_APPEND"), position: Arc::default() };
        self.handles.insert(call.answer, handle);
        Ok(true)
    }

    fn duplicate(&mut self, call: &Call) -> anyhow::Result<bool> {
        match self.handles.get(&call.number(0)?).cloned() {
            Some(handle) => self.handles.insert(call.answer, handle),
            None => self.handles.remove(&call.answer),
        };
        Ok(false)
    }

    fn write(&mut self, call: &Call, span: Span) -> anyhow::Result<bool> {
        let handle = call.number(0)?;
        let Some(Handle::Node { node, safety, appends, position }) = self.handles.get(&handle).cloned() else {
            return self.say(call, handle);
        };
        let mut bytes = call.bytes(1)?;
        bytes.truncate(usize::try_from(call.answer)?);
        let mut position = position.lock().unwrap_or_else(PoisonError::into_inner);
        let at = match (call.name.as_str(), appends) {
            (_, true) => self.disk.length(node),
            ("write", false) => *position,
            (_, false) => call.number(3)?,
        };
        if call.name == "write" {
            *position = at + call.answer;
        }
        self.disk.edit(node, span, Edit::Write { at, bytes }, safety);
        Ok(true)
    }

    /// Standard output tells; what leaves on an accepted connection may be why.
    fn say(&mut self, call: &Call, handle: u64) -> anyhow::Result<bool> {
        if matches!(self.handles.get(&handle), Some(Handle::Peer)) {
            return self.send(call);
        }
        if handle == 1 {
            let at = if self.sent == 0 { call.began } else { self.sent };
            self.sent = 0;
            let text = String::from_utf8(call.bytes(1)?)?;
            self.told.extend(text.lines().map(|line| Told { at, line: line.to_owned() }));
        }
        Ok(false)
    }

    fn send(&mut self, call: &Call) -> anyhow::Result<bool> {
        match self.handles.get(&call.number(0)?) {
            Some(Handle::Peer) => self.sent = call.began,
            Some(Handle::Node { .. }) => bail!("it writes a file in a way that is not followed"),
            None => {}
        }
        Ok(false)
    }

    fn edit(&mut self, call: &Call, span: Span, edit: Edit) -> anyhow::Result<bool> {
        let Some((node, safety)) = self.node(call.number(0)?) else { return Ok(false) };
        self.disk.edit(node, span, edit, safety);
        Ok(true)
    }

    fn rename(
        &mut self,
        call: &Call,
        span: Span,
        from: (Option<usize>, usize),
        to: (Option<usize>, usize),
    ) -> anyhow::Result<bool> {
        let (from, to) = (self.place(call, from.0, from.1)?, self.place(call, to.0, to.1)?);
        match (from, to) {
            (None, None) => Ok(false),
            (Some(Some(from)), Some(Some(to))) => {
                let node = self.find(&Some(from.clone())).context("it moves what is not there")?;
                self.name(span, Naming::Moved { from, to, node });
                Ok(true)
            }
            (Some(_), _) | (_, Some(_)) => bail!("it moves something in or out of the root"),
        }
    }

    fn remove(&mut self, call: &Call, span: Span, above: Option<usize>, path: usize) -> anyhow::Result<bool> {
        let Some(place) = self.place(call, above, path)? else { return Ok(false) };
        let (folder, name) = place.context("it removes the root")?;
        self.name(span, Naming::Removed { folder, name });
        Ok(true)
    }

    fn make_folder(&mut self, call: &Call, span: Span, above: Option<usize>, path: usize) -> anyhow::Result<bool> {
        let Some(place) = self.place(call, above, path)? else { return Ok(false) };
        let (folder, name) = place.context("it makes the root")?;
        let node = self.disk.add(Kind::Folder);
        self.names.insert(node, BTreeMap::new());
        self.name(span, Naming::Made { folder, name, node });
        Ok(true)
    }

    fn map(&mut self, call: &Call) -> anyhow::Result<bool> {
        let shared = call.has(3, "MAP_SHARED") || call.has(3, "MAP_SHARED_VALIDATE");
        if !shared || !call.has(2, "PROT_WRITE") || call.number(4).is_err() {
            return Ok(false);
        }
        let Some((node, _)) = self.node(call.number(4)?) else { return Ok(false) };
        let is_shared_memory =
            self.names.values().flatten().any(|(name, named)| *named == node && name.ends_with("-shm"));
        anyhow::ensure!(is_shared_memory, "it writes a file through memory");
        self.disk.set_mapped(node);
        Ok(true)
    }

    fn refuse_paths(&self, call: &Call) -> anyhow::Result<bool> {
        for index in 0..call.arguments.len() {
            let inside = call.path(index).is_ok_and(|path| path.starts_with(&self.root));
            anyhow::ensure!(!inside, "it changes files in a way that is not followed");
        }
        Ok(false)
    }

    fn refuse(&self, call: &Call, name: &str) -> anyhow::Result<bool> {
        let followed = (0..call.arguments.len()).filter_map(|index| call.number(index).ok());
        let mut nodes = followed.filter(|handle| self.node(*handle).is_some());
        // copy_file_range, sendfile and splice name their handles first; what else comes here concerns every file.
        let harmless = ["copy_file_range", "sendfile", "splice", "pwritev", "pwritev2", "fallocate"].contains(&name);
        anyhow::ensure!(harmless && nodes.next().is_none(), "it changes files in a way that is not followed");
        Ok(false)
    }

    fn node(&self, handle: u64) -> Option<(NodeId, Safety)> {
        match self.handles.get(&handle) {
            Some(Handle::Node { node, safety, .. }) => Some((*node, *safety)),
            Some(Handle::Peer) | None => None,
        }
    }

    fn name(&mut self, span: Span, naming: Naming) {
        naming.apply(&mut self.names);
        self.disk.name(span, naming);
    }

    fn find(&self, place: &Place) -> Option<NodeId> {
        match place {
            None => Some(self.disk.root()),
            Some((folder, name)) => self.names.get(folder)?.get(name).copied(),
        }
    }

    /// Where a path leads; none where it is not below the root.
    fn place(&self, call: &Call, above: Option<usize>, path: usize) -> anyhow::Result<Option<Place>> {
        let path = call.path(path)?;
        let (mut at, below) = if let Ok(below) = path.strip_prefix(&self.root) {
            (self.disk.root(), below.to_owned())
        } else {
            let folder = match above {
                Some(above) if path.is_relative() && !call.is_current(above) => self.node(call.number(above)?),
                Some(_) | None => None,
            };
            let Some((folder, _)) = folder else { return Ok(None) };
            (folder, path)
        };
        let mut place = None;
        for component in below.components() {
            let Component::Normal(name) = component else { bail!("a path `{}`", below.display()) };
            if let Some((folder, name)) = place.take() {
                at = self.find(&Some((folder, name))).with_context(|| format!("no `{}`", below.display()))?;
            }
            place = Some((at, name.to_str().context("a name")?.to_owned()));
        }
        Ok(Some(place))
    }
}

impl Call {
    fn makes_handle(&self) -> bool {
        ["openat", "open", "dup", "dup2", "dup3", "fcntl", "accept4"].contains(&self.name.as_str())
    }
}
