#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lapwing_fuzz::run("agent_toml", data));
