//! Writes what each target accepts into a folder of its name, for a fuzzer to begin with.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    for (name, seeds) in lapwing_fuzz::seeds() {
        let corpus = folder.join(name);
        std::fs::create_dir_all(&corpus)?;
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(corpus.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
