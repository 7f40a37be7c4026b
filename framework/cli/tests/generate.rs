//! `onsync generate rust`: what it writes compiles and says what the configuration says.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use std::process::Command;
use support::Place;

const CONFIG: &str = r#"
[contexts.Login]
entities = ["Doctor"]
direction = "pull"
[contexts."send reports"]
direction = "push"
parameters = ["week"]
[contexts.SendReports]
[contexts.Self]
[contexts."1st \" start"]
[entities.Doctor]
pattern = "read-only"
attributes = { id = "uuid" }
[entities.work_order]
pattern = "read-only"
attributes = { id = "uuid" }
"#;

const PROGRAM: &str = r#"
#[path = "names.rs"]
mod names;
use names::{Context, EntityName};

fn main() {
    let names: Vec<&str> = Context::ALL.iter().map(|context| context.as_str()).collect();
    assert_eq!(names, ["", "1st \" start", "Login", "Self", "SendReports", "send reports"]);
    assert_eq!(Context::Login.to_string(), "Login");
    assert_eq!(Context::Everything.as_ref(), "");
    assert_eq!((Context::SendReports.as_str(), Context::SendReports2.as_str()), ("SendReports", "send reports"));
    assert_eq!(EntityName::ALL.len(), 2);
    assert_eq!(EntityName::WorkOrder.as_str(), "work_order");
    println!("{}", Context::Login);
}
"#;

fn compiles_and_runs(place: &Place, program: &str) -> String {
    place.write("main.rs", program);
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let compiled = Command::new(rustc)
        .args(["--edition", "2024", "-D", "warnings", "main.rs", "-o", "program"])
        .current_dir(place.folder())
        .output()
        .unwrap();
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let ran = Command::new(place.path("program")).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

#[test]
fn what_is_generated_compiles_and_holds_every_name() {
    let place = Place::new();
    place.write("onsync.toml", CONFIG);
    place
        .onsync(&["generate", "rust", "--out", "names.rs"])
        .expect(0)
        .says("wrote names.rs");
    assert_eq!(compiles_and_runs(&place, PROGRAM), "Login\n");
    let shown = place.onsync(&["generate", "rust"]).expect(0);
    assert_eq!(
        shown.out,
        std::fs::read_to_string(place.path("names.rs")).unwrap()
    );
    let json = place.onsync(&["generate", "rust", "--json"]).expect(0).json();
    assert_eq!(json["text"], shown.out);
}

#[test]
fn a_configuration_without_anything_generates_what_compiles() {
    let place = Place::new();
    place.write("onsync.toml", "");
    place.onsync(&["generate", "rust", "--out", "names.rs"]).expect(0);
    let program =
        "#[path = \"names.rs\"]\nmod names;\nfn main() { println!(\"{}\", names::Context::Everything); }";
    assert_eq!(compiles_and_runs(&place, program), "\n");
}

#[test]
fn a_folder_that_is_not_there_is_said() {
    let place = Place::new();
    place.write("onsync.toml", "");
    place
        .onsync(&["generate", "rust", "--out", "nowhere/names.rs"])
        .expect(1)
        .complains("cannot be written");
}
