//! Registries: plug-ins by name, as plain values handed to a builder. No globals, no life before main.

use crate::error::{Error, Result, list_names};
use crate::ordered::BTreeMap;

/// Plug-ins of one kind by name.
///
/// ```
/// # use onsync_core::registry::Registry;
/// let mut colours = Registry::new("colour");
/// colours.register("red", 1)?;
/// assert_eq!(*colours.get("red")?, 1);
/// assert!(colours.get("blue").unwrap_err().to_string().contains("available: `red`"));
/// assert!(colours.register("red", 2).is_err());
/// # Ok::<(), onsync_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Registry<T> {
    what: &'static str,
    plugins: BTreeMap<String, T>,
}

impl<T> Registry<T> {
    /// An empty registry; `what` names the kind of plug-in in errors.
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            plugins: BTreeMap::new(),
        }
    }

    /// Adds a plug-in.
    ///
    /// # Errors
    /// `duplicate_plugin` if the name is taken.
    pub fn register(&mut self, name: impl Into<String>, plugin: T) -> Result<()> {
        let name = name.into();
        if self.plugins.contains_key(&name) {
            return Err(Error::fatal(
                "duplicate_plugin",
                format!(
                    "two plug-ins of kind {} are called `{name}`; register one of them under another name",
                    self.what
                ),
            ));
        }
        self.plugins.insert(name, plugin);
        Ok(())
    }

    /// The plug-in with that name.
    ///
    /// # Errors
    /// `unknown_plugin`, listing the registered names.
    pub fn get(&self, name: &str) -> Result<&T> {
        self.plugins.get(name).ok_or_else(|| {
            Error::unsupported(
                "unknown_plugin",
                format!(
                    "unknown {} `{name}`; available: {}",
                    self.what,
                    list_names(self.plugins.keys())
                ),
            )
        })
    }

    /// The registered names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.plugins.keys().map(String::as_str)
    }
}
