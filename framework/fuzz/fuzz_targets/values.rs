#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| onsync_simulator::decoders::values(bytes));
