//! Copies: what happens to databases while no process has them open.

use crate::plan::Step;
use crate::world::{Failure, World};
use std::sync::atomic::Ordering;
use std::time::Duration;

impl World<'_> {
    /// What happens to a device's database while no process has it open.
    pub(crate) fn database(&mut self, step: &Step, number: usize) {
        let Some(device) = self.devices.get_mut(number) else {
            return;
        };
        device.kill_all(&self.shared);
        self.shared.runtime.advance(Duration::from_secs(1));
        match step {
            Step::Copy { .. } if self.place.copy_device(number) => {
                device.copied = Some((self.shared.ledger().tick(), device.upgraded));
            }
            Step::PutBack { .. } => {
                if let Some((at, upgraded)) = device.copied
                    && self.place.put_device_back(number)
                {
                    self.shared.ledger().forget(number, at);
                    device.upgraded |= upgraded;
                }
            }
            Step::Wipe { .. } if self.place.wipe_device(number) => {
                device.copied = None;
                self.shared.ledger().forget(number, 0);
            }
            Step::LosePower { .. } => {
                self.place.lose_power(number);
            }
            _ => {}
        }
    }

    /// An operator stops the server, puts the copy in the place of its database, and starts the server before anybody else writes there.
    pub(crate) fn restore(&mut self) -> Result<(), Failure> {
        const PATIENCE: u32 = 20;
        let Some(marked) = self.backup.clone() else {
            return Ok(());
        };
        self.service.closed.store(true, Ordering::Relaxed);
        self.service.stop();
        self.shared.server_dies();
        // What the old processes still had open ends before the copy takes its place.
        self.shared.runtime.advance(Duration::from_secs(5));
        let restored = self.place.restore();
        self.service.closed.store(false, Ordering::Relaxed);
        if restored {
            self.shared.ledger().restored(&marked);
            let words = || "the server's database is the copy again".to_owned();
            self.shared.trace.say(words);
        }
        for _ in 0..PATIENCE {
            if self.wait("the server's start", self.service.server())?.is_ok() {
                break;
            }
        }
        Ok(())
    }
}
