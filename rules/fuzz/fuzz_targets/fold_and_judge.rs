#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lapwing_rules_fuzz::run("fold_and_judge", data));
