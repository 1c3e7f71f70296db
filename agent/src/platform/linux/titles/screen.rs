//! One X11 screen: its window manager, the window in front, and that window's title.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
use x11rb::connection::Connection;
use x11rb::errors::{ConnectError, ConnectionError, ReplyError};
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt, EventMask, GetPropertyReply, Window as WindowId,
};
use x11rb::rust_connection::RustConnection;

use lapwing_proto::bounds;

use crate::observation::cut;
use crate::sensor::Reason;

/// Longest title read, in bytes.
const MAX_TITLE_BYTES: usize = 4096;
/// The same, in the protocol's unit.
const MAX_TITLE_WORDS: u32 = 1024;

x11rb::atom_manager! {
    Atoms: AtomsCookie {
        _NET_ACTIVE_WINDOW,
        _NET_SUPPORTING_WM_CHECK,
        _NET_WM_NAME,
        _NET_WM_PID,
    }
}

/// Why watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The display is gone.
    Display,
    /// Nobody takes observations any more.
    Listener,
}

impl From<ConnectionError> for Lost {
    fn from(_: ConnectionError) -> Self {
        Self::Display
    }
}

/// What may differ from what was last read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changed {
    /// The window manager.
    pub(super) manager: bool,
    /// Which window is in front.
    pub(super) front: bool,
    /// The title of the window in front.
    pub(super) title: bool,
    /// The window in front closed: the next may have its number and its title.
    pub(super) ended: bool,
}

impl Changed {
    /// Nothing was read yet.
    pub(super) const fn everything() -> Self {
        Self { manager: true, front: true, title: true, ended: false }
    }

    /// Whether all is as it was.
    pub(super) const fn is_nothing(self) -> bool {
        !(self.manager || self.front || self.title || self.ended)
    }
}

/// A window with the focus.
#[derive(PartialEq, Eq)]
pub(super) struct Window {
    /// Its number.
    pub(super) id: WindowId,
    /// Its title, at most 4096 bytes.
    pub(super) title: String,
    /// Its program's name.
    pub(super) app: String,
    /// Its program's process; 0 where it does not tell.
    pub(super) pid: u32,
}

/// A connection to a display.
pub(super) struct Screen {
    connection: RustConnection,
    root: WindowId,
    atoms: Atoms,
    manager: Option<WindowId>,
    front: Option<Window>,
    // Whether `front` was told at least once, so that an empty screen is told too.
    is_told: bool,
}

impl Screen {
    /// Connects to `display` and asks for the changes of its root window.
    ///
    /// # Errors
    ///
    /// Why it cannot be seen.
    pub(super) fn connect(display: &str) -> Result<Self, Reason> {
        let (connection, number) = RustConnection::connect(Some(display)).map_err(|error| reason_of(&error))?;
        let root = connection.setup().roots.get(number).ok_or(Reason::NoDisplay)?.root;
        let atoms = Atoms::new(&connection).map_err(|_| Reason::NoDisplay)?.reply().map_err(|_| Reason::Failed)?;
        let screen = Self { connection, root, atoms, manager: None, front: None, is_told: false };
        screen.select(root, EventMask::PROPERTY_CHANGE).map_err(|_| Reason::NoDisplay)?;
        Ok(screen)
    }

    /// A descriptor that is readable when the display has something to say.
    ///
    /// # Errors
    ///
    /// When the process has no descriptor left.
    pub(super) fn socket(&self) -> io::Result<OwnedFd> {
        self.connection.stream().as_fd().try_clone_to_owned()
    }

    /// Takes every event that has arrived.
    pub(super) fn changes(&self) -> Result<Changed, Lost> {
        let mut changed = Changed::default();
        while let Some(event) = self.connection.poll_for_event()? {
            self.note(&event, &mut changed);
        }
        Ok(changed)
    }

    /// Looks for the window manager, and asks to hear of its end. Whether there is one.
    pub(super) fn find_manager(&mut self) -> Result<bool, Lost> {
        self.manager = None;
        let check = self.atoms._NET_SUPPORTING_WM_CHECK;
        // The root's property outlives a manager that was killed; the window it names does not.
        if let Some(window) = self.number(self.root, check)?
            && self.number(window, check)? == Some(window)
        {
            self.select(window, EventMask::STRUCTURE_NOTIFY)?;
            self.manager = Some(window);
        }
        Ok(self.manager.is_some())
    }

    /// Looks which window is in front, and asks for its changes before it reads its title. Whether it is another.
    pub(super) fn find_front(&mut self) -> Result<bool, Lost> {
        let active = match self.manager {
            Some(_) => self.number(self.root, self.atoms._NET_ACTIVE_WINDOW)?.filter(|&window| window != 0),
            None => None,
        };
        // A window that closed leaves its number to the next: an equal one may be another, not yet asked for its changes.
        let front = match active {
            Some(id) => Some(self.watch(id)?),
            None => None,
        };
        if self.is_told && front == self.front {
            return Ok(false);
        }
        if let Some(left) = self.front.take().filter(|left| Some(left.id) != active) {
            self.select(left.id, EventMask::NO_EVENT)?;
        }
        self.front = front;
        self.is_told = true;
        Ok(true)
    }

    /// Forgets the window in front, which closed. Whether there was one.
    pub(super) fn end_front(&mut self) -> bool {
        self.front.take().is_some()
    }

    fn watch(&self, id: WindowId) -> Result<Window, Lost> {
        self.select(id, EventMask::PROPERTY_CHANGE | EventMask::STRUCTURE_NOTIFY)?;
        let pid = self.number(id, self.atoms._NET_WM_PID)?.unwrap_or(0);
        Ok(Window { id, title: self.title_of(id)?, app: self.app_of(id, pid)?, pid })
    }

    /// Reads the title of the window in front again. Whether it is another.
    pub(super) fn read_title(&mut self) -> Result<bool, Lost> {
        let Some(id) = self.front.as_ref().map(|window| window.id) else { return Ok(false) };
        let title = self.title_of(id)?;
        let Some(front) = self.front.as_mut().filter(|window| window.title != title) else { return Ok(false) };
        front.title = title;
        Ok(true)
    }

    /// The window in front, as last read.
    pub(super) const fn front(&self) -> Option<&Window> {
        self.front.as_ref()
    }

    fn note(&self, event: &Event, changed: &mut Changed) {
        if let Event::PropertyNotify(property) = event {
            if property.window == self.root {
                changed.front |= property.atom == self.atoms._NET_ACTIVE_WINDOW;
                changed.manager |= property.atom == self.atoms._NET_SUPPORTING_WM_CHECK;
            } else {
                let names = [self.atoms._NET_WM_NAME, AtomEnum::WM_NAME.into()];
                changed.title |= names.contains(&property.atom);
            }
        }
        if let Event::DestroyNotify(end) = event {
            changed.manager |= Some(end.window) == self.manager;
            changed.ended |= self.front.as_ref().is_some_and(|front| front.id == end.window);
        }
    }

    /// Asks for events of a window. One that closed meanwhile answers with an error event, which `note` passes over.
    fn select(&self, window: WindowId, events: EventMask) -> Result<(), Lost> {
        let wanted = ChangeWindowAttributesAux::new().event_mask(events);
        self.connection.change_window_attributes(window, &wanted)?;
        self.connection.flush()?;
        Ok(())
    }

    fn title_of(&self, window: WindowId) -> Result<String, Lost> {
        let name = match self.property(window, self.atoms._NET_WM_NAME)? {
            Some(name) if !name.value.is_empty() => Some(name),
            Some(_) | None => self.property(window, AtomEnum::WM_NAME.into())?,
        };
        Ok(name.map(|name| text(&name)).unwrap_or_default())
    }

    /// The second of the two names a window gives its program, or else the file its process runs.
    fn app_of(&self, window: WindowId, pid: u32) -> Result<String, Lost> {
        let class = self.property(window, AtomEnum::WM_CLASS.into())?.map(|class| text(&class)).unwrap_or_default();
        let class = class.split('\0').nth(1).unwrap_or_default();
        let app = if class.is_empty() { program_of(pid) } else { class.to_owned() };
        Ok(cut(app, bounds::MAX_NAME_BYTES))
    }

    fn number(&self, window: WindowId, name: Atom) -> Result<Option<u32>, Lost> {
        Ok(self.property(window, name)?.and_then(|found| found.value32().and_then(|mut numbers| numbers.next())))
    }

    /// A property's value; nothing where it has none, or the window closed meanwhile.
    fn property(&self, window: WindowId, name: Atom) -> Result<Option<GetPropertyReply>, Lost> {
        let request = self.connection.get_property(false, window, name, AtomEnum::ANY, 0, MAX_TITLE_WORDS)?;
        match request.reply() {
            Ok(reply) => Ok((reply.type_ != u32::from(AtomEnum::NONE)).then_some(reply)),
            Err(ReplyError::X11Error(_)) => Ok(None),
            Err(ReplyError::ConnectionError(_)) => Err(Lost::Display),
        }
    }
}

/// A property's text. Latin-1 where it is the protocol's STRING, UTF-8 otherwise; a character cut in the middle by
/// the bound is left out.
fn text(property: &GetPropertyReply) -> String {
    let bytes = property.value.as_slice();
    if property.type_ == u32::from(AtomEnum::STRING) {
        return cut(bytes.iter().map(|&byte| char::from(byte)).collect(), MAX_TITLE_BYTES);
    }
    let text = String::from_utf8_lossy(bytes);
    let text = if property.bytes_after > 0 { text.trim_end_matches('\u{FFFD}') } else { &text };
    cut(text.to_owned(), MAX_TITLE_BYTES)
}

/// The file name of what a process runs; empty where it is not told.
fn program_of(pid: u32) -> String {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    let wanted = ProcessRefreshKind::nothing().with_exe(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, wanted);
    let process = system.process(pid);
    let file = process.and_then(|process| process.exe()).and_then(|path| path.file_name());
    file.or(process.map(sysinfo::Process::name)).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn reason_of(error: &ConnectError) -> Reason {
    match error {
        ConnectError::SetupAuthenticate(_) | ConnectError::SetupFailed(_) => Reason::NotPermitted,
        ConnectError::UnknownError
        | ConnectError::ParseError(_)
        | ConnectError::InsufficientMemory
        | ConnectError::DisplayParsingError(_)
        | ConnectError::InvalidScreen
        | ConnectError::IoError(_)
        | ConnectError::ZeroIdMask
        | ConnectError::Incomplete { .. } => Reason::NoDisplay,
        _ => Reason::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(type_: u32, value: &[u8], bytes_after: u32) -> GetPropertyReply {
        GetPropertyReply { format: 8, type_, bytes_after, value: value.to_vec(), ..GetPropertyReply::default() }
    }

    #[test]
    fn an_old_title_is_latin_1_and_a_new_one_utf_8() {
        assert_eq!(text(&property(AtomEnum::STRING.into(), b"caf\xe9", 0)), "café");
        assert_eq!(text(&property(300, "café".as_bytes(), 0)), "café");
    }

    #[test]
    fn a_long_title_is_cut_between_characters() {
        let long = "é".repeat(4096);
        let cut_in_the_middle = &long.as_bytes()[..4095];
        let title = text(&property(300, cut_in_the_middle, 4097));
        assert_eq!(title.len(), 4094);
        assert!(title.chars().all(|c| c == 'é'));
        assert_eq!(text(&property(AtomEnum::STRING.into(), &[0xe9; 4096], 1)).len(), 4096);
    }

    #[test]
    fn a_process_is_named_by_the_file_it_runs() {
        assert!(!program_of(std::process::id()).is_empty());
        assert_eq!(program_of(u32::MAX), "");
    }
}
