//! Worlds whose devices keep their records in the configured store, in files of a temporary folder; the server's records are in memory.

use onsync::config::StoreSettings;
use onsync::{Factory, LocalStore};
use onsync_core::{Error, Result};
use onsync_simulator::{MemoryPlace, Place, Plan, Step};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Makes the configured store from its settings.
pub(super) type Maker = Arc<dyn Factory<StoreSettings, dyn LocalStore>>;

/// The databases of one world. A device's files have a folder of their own, which is copied, put back and removed as a whole.
pub(super) struct Files {
    server: MemoryPlace,
    folder: tempfile::TempDir,
    maker: Maker,
    settings: StoreSettings,
}

impl Files {
    /// Empty databases.
    pub(super) fn make(seed: u64, maker: &Maker, settings: &StoreSettings) -> Result<Box<dyn Place>> {
        let folder = tempfile::tempdir().map_err(|error| {
            Error::transient(
                "store_unavailable",
                format!("there is no temporary folder for the stores of a world: {error}"),
            )
        })?;
        Ok(Box::new(Self {
            server: MemoryPlace::new(seed),
            folder,
            maker: maker.clone(),
            settings: settings.clone(),
        }))
    }

    fn of(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("device-{number}"))
    }

    fn copy_of(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("copy-{number}"))
    }
}

impl Place for Files {
    fn server(&self) -> Result<Arc<dyn onsync_core::store::server::ServerStore>> {
        self.server.server()
    }

    fn device(&self, number: usize) -> Result<Arc<dyn LocalStore>> {
        let folder = self.of(number);
        std::fs::create_dir_all(&folder).map_err(|error| {
            Error::transient("store_unavailable", format!("{}: {error}", folder.display()))
        })?;
        let path = folder.join("store").display().to_string();
        self.maker.make(&StoreSettings {
            path: Some(path),
            ..self.settings.clone()
        })
    }

    fn back_up(&self) -> bool {
        self.server.back_up()
    }

    fn restore(&self) -> bool {
        self.server.restore()
    }

    fn copy_device(&self, number: usize) -> bool {
        replace(&self.of(number), &self.copy_of(number)).is_ok()
    }

    fn put_device_back(&self, number: usize) -> bool {
        replace(&self.copy_of(number), &self.of(number)).is_ok()
    }

    fn wipe_device(&self, number: usize) -> bool {
        // A copy that is older than the wipe is not put back.
        let _ = std::fs::remove_dir_all(self.copy_of(number));
        std::fs::remove_dir_all(self.of(number)).is_ok()
    }
}

/// Makes a folder hold what another one holds, and nothing else.
fn replace(from: &Path, to: &Path) -> std::io::Result<()> {
    let entries: Vec<PathBuf> = std::fs::read_dir(from)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to)?;
    for path in entries {
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            replace(&path, &to.join(name))?;
        } else {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// The plan for such stores: one process a device, since one thread runs the whole world, and a process that waited for another one's
/// write would wait for itself.
pub(super) fn one_process_a_device(mut plan: Plan) -> Plan {
    for step in &mut plan.steps {
        if let Step::Edit { tab, .. }
        | Step::Sync { tab, .. }
        | Step::Resolve { tab, .. }
        | Step::Kill { tab, .. } = step
        {
            *tab = 0;
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use onsync_core::memory::local::MemoryStore;
    use onsync_simulator::PlugIns;
    use onsync_simulator::campaign::Campaign;

    /// A store that has forgotten everything whenever it is opened.
    #[test]
    fn a_store_that_forgets_is_found() -> Result<()> {
        let forgets = |_: &StoreSettings| Ok(Arc::new(MemoryStore::new(7)) as Arc<dyn LocalStore>);
        let maker: Maker = Arc::new(forgets);
        let settings = onsync::Config::from_text("")?.store;
        let make = move |seed, _: &_| Files::make(seed, &maker, &settings);
        let patterns = onsync::registries().patterns;
        let campaign = Campaign {
            plug_ins: &PlugIns::new(patterns.clone())?,
            make: &make,
            plan: &|seed| Plan::new(seed, &patterns).map(one_process_a_device),
            seeds: 1..10,
            threads: 1,
            time: None,
            repeats: false,
            keep_going: false,
        };
        let found = campaign.run(&|_| {}).failed;
        assert!(!found.is_empty(), "nine worlds, and nothing was missed");
        Ok(())
    }

    #[test]
    fn a_folder_is_replaced_as_a_whole() -> std::io::Result<()> {
        let place = tempfile::tempdir()?;
        let (one, other) = (place.path().join("one"), place.path().join("other"));
        std::fs::create_dir_all(one.join("below"))?;
        std::fs::write(one.join("below/a"), "a")?;
        std::fs::create_dir_all(&other)?;
        std::fs::write(other.join("b"), "b")?;
        replace(&one, &other)?;
        assert_eq!(std::fs::read_to_string(other.join("below/a"))?, "a");
        assert!(!other.join("b").exists());
        assert!(replace(&place.path().join("gone"), &other).is_err());
        assert!(
            other.join("below/a").exists(),
            "nothing is lost for a copy that is not there"
        );
        Ok(())
    }
}
