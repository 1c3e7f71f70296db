//! What a disk may hold after the power went.
//!
//! A change to a file is safe once an fsync or fdatasync of that file ended that began after the change had ended; a
//! name made, moved or removed is safe once its folder was synced so. `sync_file_range` promises nothing. What was
//! written through a handle opened with O_SYNC or O_DSYNC is safe when the write ends. Of all other changes before the
//! cut any part may be there: whole, by pages of 4 KiB or by sectors of 512 bytes; a file may have grown without its
//! content, which then reads as zeros; names come back by the order of a journal, or each for itself.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::image::Image;

/// A file or folder, whatever its name is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(usize);

/// Every change there was, in order.
#[derive(Debug)]
pub(super) struct Disk {
    nodes: Vec<Node>,
    names: Vec<NameChange>,
}

#[derive(Debug, Default)]
struct Node {
    kind: Kind,
    changes: Vec<Change>,
    /// Names it had before the recording, where it is a folder.
    base: BTreeMap<String, NodeId>,
    /// Shared by several processes through memory: what is in it does not outlive them.
    mapped: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Folder,
    File,
}

/// What happened to a file's content.
#[derive(Debug)]
pub(super) enum Edit {
    Write {
        at: u64,
        bytes: Vec<u8>,
    },
    Resize(u64),
    /// Grows it, never less.
    Reserve(u64),
}

#[derive(Debug)]
struct Change {
    span: Span,
    edit: Edit,
    safe_from: Option<u64>,
}

/// What happened to a name.
#[derive(Clone, Debug)]
pub(super) enum Naming {
    Made { folder: NodeId, name: String, node: NodeId },
    Removed { folder: NodeId, name: String },
    Moved { from: (NodeId, String), to: (NodeId, String), node: NodeId },
}

#[derive(Debug)]
struct NameChange {
    span: Span,
    naming: Naming,
    safe_from: Option<u64>,
}

/// From the beginning of a call to its end, as lines of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) began: u64,
    pub(super) ended: u64,
}

/// When the power goes, and what becomes of that which no sync covers.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// The last line that happened.
    pub(super) at: u64,
    /// Of ten unsafe pieces, how many are there.
    keep: u64,
    /// Pieces of a write; 0 for whole writes.
    piece: usize,
    order: Order,
    dice: Dice,
}

/// How names come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Up to some point, all of them.
    Journal,
    /// Each for itself.
    Any,
}

impl Cut {
    /// The cut that `seed` stands for, after line `at`.
    pub(super) fn seeded(at: u64, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let keep = dice.pick(&[0, 1, 3, 5, 7, 9, 10], 5);
        let piece = dice.pick(&[0, 512, 4096], 0);
        let order = dice.pick(&[Order::Journal, Order::Any], Order::Any);
        Self { at, keep, piece, order, dice }
    }

    /// Nothing was lost: the power never went.
    pub(super) const fn none() -> Self {
        Self { at: u64::MAX, keep: 10, piece: 0, order: Order::Journal, dice: Dice::new(0) }
    }

    const fn keeps(&mut self) -> bool {
        self.dice.chance(self.keep)
    }
}

impl Disk {
    /// A disk with an empty root.
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()], names: Vec::new() }
    }

    pub(super) const fn root(&self) -> NodeId {
        NodeId(0)
    }

    pub(super) fn add(&mut self, kind: Kind) -> NodeId {
        self.nodes.push(Node { kind, ..Node::default() });
        NodeId(self.nodes.len() - 1)
    }

    /// A file or folder that was there before the recording began.
    pub(super) fn add_base(&mut self, folder: NodeId, name: &str, content: Option<Vec<u8>>) -> NodeId {
        let node = self.add(if content.is_some() { Kind::File } else { Kind::Folder });
        if let Some(bytes) = content {
            let span = Span { began: 0, ended: 0 };
            self.edit(node, span, Edit::Write { at: 0, bytes }, Safety::AtOnce);
        }
        if let Some(folder) = self.nodes.get_mut(folder.0) {
            folder.base.insert(name.to_owned(), node);
        }
        node
    }

    pub(super) fn kind(&self, node: NodeId) -> Kind {
        self.nodes.get(node.0).map_or(Kind::File, |node| node.kind)
    }

    pub(super) fn base(&self, folder: NodeId) -> BTreeMap<String, NodeId> {
        self.nodes.get(folder.0).map(|node| node.base.clone()).unwrap_or_default()
    }

    pub(super) fn edit(&mut self, node: NodeId, span: Span, edit: Edit, safety: Safety) {
        let safe_from = (safety == Safety::AtOnce).then_some(span.ended);
        if let Some(node) = self.nodes.get_mut(node.0) {
            node.changes.push(Change { span, edit, safe_from });
        }
    }

    pub(super) fn name(&mut self, span: Span, naming: Naming) {
        self.names.push(NameChange { span, naming, safe_from: None });
    }

    pub(super) fn set_mapped(&mut self, node: NodeId) {
        if let Some(node) = self.nodes.get_mut(node.0) {
            node.mapped = true;
        }
    }

    /// The length of a file as its programs see it.
    pub(super) fn length(&self, node: NodeId) -> u64 {
        let mut length = 0;
        for change in self.nodes.get(node.0).iter().flat_map(|node| &node.changes) {
            length = change.edit.length_after(length);
        }
        length
    }

    /// A sync of a file or folder ended.
    pub(super) fn sync(&mut self, node: NodeId, span: Span) {
        let covered = |change: &Span| change.ended < span.began;
        match self.nodes.get_mut(node.0) {
            Some(file) if file.kind == Kind::File => {
                for change in file.changes.iter_mut().filter(|change| covered(&change.span)) {
                    change.safe_from.get_or_insert(span.ended);
                }
            }
            Some(_) | None => {
                for change in self.names.iter_mut().filter(|change| covered(&change.span)) {
                    if change.naming.home() == node {
                        change.safe_from.get_or_insert(span.ended);
                    }
                }
            }
        }
    }

    /// What is there after the cut.
    pub(super) fn image(&self, mut cut: Cut) -> Image {
        let folders = self.names_after(&mut cut);
        let mut image = Image::default();
        self.collect(self.root(), "", &folders, &mut cut, &mut image);
        image
    }

    fn names_after(&self, cut: &mut Cut) -> BTreeMap<NodeId, BTreeMap<String, NodeId>> {
        let mut folders: BTreeMap<NodeId, BTreeMap<String, NodeId>> =
            (0..self.nodes.len()).map(NodeId).map(|node| (node, self.base(node))).collect();
        let happened: Vec<_> = self.names.iter().filter(|change| change.span.began <= cut.at).collect();
        let is_unsafe = |change: &NameChange| change.safe_from.is_none_or(|safe| safe > cut.at);
        let unsafe_count = happened.iter().filter(|change| is_unsafe(change)).count() as u64;
        let journalled = if cut.at == u64::MAX { unsafe_count } else { cut.dice.clone().below(unsafe_count + 1) };
        let mut seen = 0;
        for change in happened {
            let is_unsafe = change.safe_from.is_none_or(|safe| safe > cut.at);
            let is_there = match cut.order {
                _ if !is_unsafe => true,
                Order::Journal => seen < journalled,
                Order::Any => cut.keeps(),
            };
            seen += u64::from(is_unsafe);
            if is_there {
                change.naming.apply(&mut folders);
            }
        }
        folders
    }

    fn collect(
        &self,
        folder: NodeId,
        path: &str,
        folders: &BTreeMap<NodeId, BTreeMap<String, NodeId>>,
        cut: &mut Cut,
        image: &mut Image,
    ) {
        for (name, node) in folders.get(&folder).into_iter().flatten() {
            let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            match self.kind(*node) {
                Kind::Folder => {
                    image.add_folder(&below);
                    self.collect(*node, &below, folders, cut, image);
                }
                Kind::File => image.add_file(&below, self.content_after(*node, cut), self.is_mapped(*node)),
            }
        }
    }

    fn is_mapped(&self, node: NodeId) -> bool {
        self.nodes.get(node.0).is_some_and(|node| node.mapped)
    }

    fn content_after(&self, node: NodeId, cut: &mut Cut) -> Vec<u8> {
        let mut content = Vec::new();
        for change in self.nodes.get(node.0).iter().flat_map(|node| &node.changes) {
            if change.span.began > cut.at {
                continue;
            }
            if change.safe_from.is_some_and(|safe| safe <= cut.at) || cut.keep == 10 {
                change.edit.apply(&mut content, 0, |_| true);
            } else {
                change.apply_in_part(&mut content, cut);
            }
        }
        content
    }
}

/// When a change to a file is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Safety {
    /// Once a sync covers it.
    WhenSynced,
    /// When it ends: its handle says so.
    AtOnce,
}

impl Change {
    fn apply_in_part(&self, content: &mut Vec<u8>, cut: &mut Cut) {
        // A file may have grown without what was written into it.
        if cut.keeps() {
            self.edit.grow(content);
        }
        let (piece, mut own) = (cut.piece, cut.clone());
        if piece == 0 && !own.keeps() {
            cut.dice = own.dice;
            return;
        }
        self.edit.apply(content, piece, |_| piece == 0 || own.keeps());
        cut.dice = own.dice;
    }
}

impl Edit {
    fn length_after(&self, length: u64) -> u64 {
        match self {
            Self::Write { at, bytes } => length.max(at + bytes.len() as u64),
            Self::Resize(length) => *length,
            Self::Reserve(least) => length.max(*least),
        }
    }

    fn grow(&self, content: &mut Vec<u8>) {
        let length = usize::try_from(self.length_after(content.len() as u64)).unwrap_or(usize::MAX);
        if length > content.len() {
            content.resize(length, 0);
        }
    }

    /// Applies the pieces that `is_there` lets through; a resize is one piece, and so is a write where `piece` is 0.
    fn apply(&self, content: &mut Vec<u8>, piece: usize, mut is_there: impl FnMut(usize) -> bool) {
        let (at, bytes) = match self {
            Self::Write { at, bytes } => (usize::try_from(*at).unwrap_or(usize::MAX), bytes),
            Self::Resize(_) | Self::Reserve(_) => {
                if is_there(0) {
                    content.resize(usize::try_from(self.length_after(content.len() as u64)).unwrap_or_default(), 0);
                }
                return;
            }
        };
        let mut done = 0;
        while done < bytes.len() {
            let from = at + done;
            // Pieces lie where the disk's sectors do, not where the write begins.
            let room = if piece == 0 { bytes.len() } else { piece - from % piece };
            let part = bytes.get(done..bytes.len().min(done + room)).unwrap_or_default();
            if is_there(from) {
                let end = from + part.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(place) = content.get_mut(from..end) {
                    place.copy_from_slice(part);
                }
            }
            done += part.len();
        }
    }
}

impl Naming {
    /// The folder whose sync makes it safe.
    const fn home(&self) -> NodeId {
        match self {
            Self::Made { folder, .. } | Self::Removed { folder, .. } => *folder,
            Self::Moved { to, .. } => to.0,
        }
    }

    pub(super) fn apply(&self, folders: &mut BTreeMap<NodeId, BTreeMap<String, NodeId>>) {
        match self {
            Self::Made { folder, name, node } => {
                folders.entry(*folder).or_default().insert(name.clone(), *node);
            }
            Self::Removed { folder, name } => {
                folders.entry(*folder).or_default().remove(name);
            }
            Self::Moved { from, to, node } => {
                let source = folders.entry(from.0).or_default();
                if source.get(&from.1) == Some(node) {
                    source.remove(&from.1);
                }
                folders.entry(to.0).or_default().insert(to.1.clone(), *node);
            }
        }
    }
}
