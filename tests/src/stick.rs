//! A memory stick: an ext4 image on a loop device.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// A mounted stick; unmounted and detached when dropped.
#[derive(Debug)]
pub struct Stick {
    mount_point: PathBuf,
    image: PathBuf,
}

impl Stick {
    /// Makes a stick labelled `label` (at most 16 bytes) and mounts it where desktops mount sticks of `owner`.
    ///
    /// # Errors
    ///
    /// When mkfs.ext4 or mount fails: not root, or no loop device.
    pub fn insert(folder: &Path, label: &str, owner: &str) -> anyhow::Result<Self> {
        let image = folder.join(format!("{label}.img"));
        std::fs::File::create(&image)?.set_len(8 << 20)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-L", label]).arg(&image))?;
        let mount_point = folder.join("media").join(owner).join(label);
        std::fs::create_dir_all(&mount_point)?;
        run(Command::new("mount").args(["-o", "loop,nosuid,nodev"]).arg(&image).arg(&mount_point))?;
        Ok(Self { mount_point, image })
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        // The namespace's end unmounts what could not be unmounted here.
        drop(run(Command::new("umount").arg(&self.mount_point)));
        drop(std::fs::remove_file(&self.image));
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("failed to run {command:?}"))?;
    anyhow::ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
