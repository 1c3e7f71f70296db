//! The committed code is what the contract generates, byte for byte. To write it anew after a change of the
//! contract: `LAPWING_REGENERATE=1 cargo test -p lapwing-proto --test contract`.

use std::path::Path;

#[test]
fn committed_code_is_what_the_contract_generates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(["lapwing/v1/lapwing.proto"], [root.join("proto")]).expect("the contract parses");
    let out = tempfile::tempdir().expect("a scratch folder");
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .out_dir(out.path())
        .compile_fds(descriptors)
        .expect("the contract generates");
    let fresh = std::fs::read_to_string(out.path().join("lapwing.v1.rs")).expect("generated code");
    let committed = root.join("src/generated/lapwing.v1.rs");
    if std::env::var_os("LAPWING_REGENERATE").is_some() {
        std::fs::write(&committed, &fresh).expect("write generated code");
    }
    let held = std::fs::read_to_string(&committed).expect("committed code");
    assert!(held == fresh, "{} is stale: run with LAPWING_REGENERATE=1", committed.display());
}
