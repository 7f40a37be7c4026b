//! The hunt for planted bugs: for each, worlds until a check fails.

use crate::Arguments;
use onsync_core::Result;
use onsync_simulator::PlugIns;

/// Hunts each planted bug and prints the table; false if one was not found.
#[cfg(onsync_mutant)]
pub(crate) fn hunt(arguments: &Arguments, plug_ins: &PlugIns) -> Result<bool> {
    use onsync_core::planted::choose;
    use onsync_simulator::campaign::Campaign;
    use onsync_simulator::planted::PLANTED;
    use onsync_simulator::{MemoryPlace, Plan};

    println!("| planted bug | in | scenarios | found by | at seed |\n|---|---|---|---|---|");
    let mut missed = 0;
    for bug in PLANTED {
        let wanted = arguments.mutant.is_empty() || arguments.mutant.iter().any(|name| name == bug.name);
        if !wanted {
            continue;
        }
        choose(Some(bug.name));
        let plan = |seed| Plan::new(seed, &plug_ins.patterns);
        let campaign = Campaign {
            plug_ins,
            make: &MemoryPlace::make,
            plan: &plan,
            seeds: arguments.from..arguments.from + arguments.seeds,
            threads: arguments.threads(),
            time: arguments.time(),
            repeats: false,
            keep_going: false,
        };
        let findings = campaign.run(&|_| {});
        choose(None);
        let (check, seed) = match findings.failed.first() {
            Some(failed) => (failed.failure.check.to_owned(), failed.seed.to_string()),
            None => {
                missed += 1;
                (format!("NOT FOUND in {} worlds", findings.runs), String::new())
            }
        };
        let scenarios: Vec<String> = bug.scenarios.iter().map(u8::to_string).collect();
        let scenarios = scenarios.join(", ");
        println!(
            "| `{}` | {} | {scenarios} | {check} | {seed} |",
            bug.name, bug.place
        );
    }
    println!("\n{missed} of the planted bugs were not found");
    Ok(missed == 0)
}

/// There is nothing to hunt in this build.
#[cfg(not(onsync_mutant))]
pub(crate) fn hunt(arguments: &Arguments, plug_ins: &PlugIns) -> Result<bool> {
    let _ = (arguments, plug_ins);
    Err(onsync_core::Error::unsupported(
        "unsupported",
        "no bugs are planted in this build; run `cargo xtask mutants`, which builds with --cfg onsync_mutant",
    ))
}
