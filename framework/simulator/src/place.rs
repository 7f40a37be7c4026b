//! Where a world's databases are: in memory, in files, or wherever an adapter keeps them.

use onsync_core::Result;
use onsync_core::memory::local::{Image, MemoryStore};
use onsync_core::memory::server::{Backup, MemoryServerStore};
use onsync_core::schema::Schema;
use onsync_core::store::local::LocalStore;
use onsync_core::store::server::ServerStore;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The databases of one world: one of the server, one of each device.
pub trait Place: Send + Sync {
    /// A handle on the server's database, for a new process.
    ///
    /// # Errors
    /// Those of the store.
    fn server(&self) -> Result<Arc<dyn ServerStore>>;

    /// A handle on the database of a device, for a new process.
    ///
    /// # Errors
    /// Those of the store.
    fn device(&self, number: usize) -> Result<Arc<dyn LocalStore>>;

    /// Keeps a copy of the server's database. False where that cannot be done.
    fn back_up(&self) -> bool {
        false
    }

    /// Puts the copy in the place of the server's database. No process has it open. False where that cannot be done.
    fn restore(&self) -> bool {
        false
    }

    /// Keeps a copy of a device's database. False where that cannot be done.
    fn copy_device(&self, number: usize) -> bool {
        let _ = number;
        false
    }

    /// Puts the copy in the place of a device's database. No process has it open. False where that cannot be done.
    fn put_device_back(&self, number: usize) -> bool {
        let _ = number;
        false
    }

    /// Removes a device's database. No process has it open. False where that cannot be done.
    fn wipe_device(&self, number: usize) -> bool {
        let _ = number;
        false
    }

    /// A device loses its power: what was not made durable is gone. False where that cannot be done.
    fn lose_power(&self, number: usize) -> bool {
        let _ = number;
        false
    }
}

/// Makes the databases of one world.
pub type MakePlace = dyn Fn(u64, &Schema) -> Result<Box<dyn Place>> + Send + Sync;

#[derive(Default)]
struct Stores {
    devices: BTreeMap<usize, MemoryStore>,
    images: BTreeMap<usize, Image>,
    backup: Option<Backup>,
    made: u64,
}

/// Databases in memory.
pub struct MemoryPlace {
    seed: u64,
    server: MemoryServerStore,
    stores: Mutex<Stores>,
}

impl MemoryPlace {
    /// Empty databases whose random keys follow from the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            server: MemoryServerStore::new(seed),
            stores: Mutex::default(),
        }
    }

    /// As a maker of places.
    ///
    /// # Errors
    /// None.
    pub fn make(seed: u64, _schema: &Schema) -> Result<Box<dyn Place>> {
        Ok(Box::new(Self::new(seed)))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Stores) -> T) -> T {
        work(&mut self.stores.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Place for MemoryPlace {
    fn server(&self) -> Result<Arc<dyn ServerStore>> {
        Ok(Arc::new(self.server.clone()))
    }

    fn device(&self, number: usize) -> Result<Arc<dyn LocalStore>> {
        let store = self.with(|stores| {
            stores.made += 1;
            let seed = self.seed ^ (stores.made << 20);
            let store = stores
                .devices
                .entry(number)
                .or_insert_with(|| MemoryStore::new(seed));
            store.clone()
        });
        Ok(Arc::new(store))
    }

    fn back_up(&self) -> bool {
        let backup = self.server.backup();
        self.with(|stores| stores.backup = Some(backup));
        true
    }

    fn restore(&self) -> bool {
        let backup = self.with(|stores| stores.backup.clone());
        if let Some(backup) = &backup {
            self.server.restore(backup);
        }
        backup.is_some()
    }

    fn copy_device(&self, number: usize) -> bool {
        self.with(|stores| {
            let image = stores.devices.get(&number).map(MemoryStore::image);
            let there = image.is_some();
            stores.images.extend(image.map(|image| (number, image)));
            there
        })
    }

    fn put_device_back(&self, number: usize) -> bool {
        self.with(
            |stores| match (stores.devices.get(&number), stores.images.get(&number)) {
                (Some(store), Some(image)) => {
                    store.restore(image);
                    true
                }
                _ => false,
            },
        )
    }

    fn wipe_device(&self, number: usize) -> bool {
        self.with(|stores| {
            stores.images.remove(&number);
            stores.devices.remove(&number).is_some()
        })
    }

    fn lose_power(&self, number: usize) -> bool {
        self.with(|stores| {
            let store = stores.devices.get(&number);
            store.inspect(|store| store.lose_power()).is_some()
        })
    }
}
