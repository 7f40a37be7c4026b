//! What can be configured about the monitor.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// The options of a [`ProbeMonitor`](crate::ProbeMonitor), as `[network.probe]` of a configuration holds them.
///
/// ```
/// use onsync_network_probe::ProbeMonitorOptions;
/// let options: ProbeMonitorOptions = toml::from_str(r#"
///     interval = "never"
///     cap = "10m"
/// "#).unwrap();
/// assert_eq!(options.interval, None);
/// assert_eq!(options.time_out.as_secs(), 10);
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeMonitorOptions {
    /// While the server is there: it is asked when so long nothing was heard of it. None, written `"never"`, does not ask then.
    /// Default 5 minutes.
    #[serde(deserialize_with = "span_or_never")]
    pub interval: Option<Duration>,
    /// How long an answer may take. Default 10 s.
    #[serde(deserialize_with = "span")]
    pub time_out: Duration,
    /// While the server is not there: the longest wait before it is asked for the second time. Default 2 s.
    #[serde(deserialize_with = "span")]
    pub retry_interval: Duration,
    /// By how much that wait grows each time, from 1 to 1000. Default 2.
    #[serde(deserialize_with = "factor")]
    pub factor: f64,
    /// The longest wait of all while the server is not there. Default 1 minute.
    #[serde(deserialize_with = "span")]
    pub cap: Duration,
    /// The part of each wait that is left to chance, from 0 to 1, so that many devices do not ask at once. Default 0.5: a wait of a
    /// minute becomes one between 30 and 60 seconds.
    #[serde(deserialize_with = "part")]
    pub jitter: f64,
}

impl Default for ProbeMonitorOptions {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(300)),
            time_out: Duration::from_secs(10),
            retry_interval: Duration::from_secs(2),
            factor: 2.0,
            cap: Duration::from_secs(60),
            jitter: 0.5,
        }
    }
}

/// Reads `"30s"`, `"1m 30s"`.
fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(wanted(&text)))
}

fn span_or_never<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "never" {
        return Ok(None);
    }
    match parse(&text) {
        Some(span) => Ok(Some(span)),
        None => Err(D::Error::custom(format!("{}, or \"never\"", wanted(&text)))),
    }
}

fn parse(text: &str) -> Option<Duration> {
    let span = humantime::parse_duration(text).ok();
    span.filter(|span| !span.is_zero())
}

fn wanted(found: &str) -> String {
    format!("found {found:?}, wanted a time span above zero such as \"30s\" or \"1m 30s\"")
}

fn factor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    within(deserializer, 1.0, 1_000.0)
}

fn part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    within(deserializer, 0.0, 1.0)
}

fn within<'de, D: Deserializer<'de>>(deserializer: D, least: f64, most: f64) -> Result<f64, D::Error> {
    let found = f64::deserialize(deserializer)?;
    if (least..=most).contains(&found) {
        return Ok(found);
    }
    Err(D::Error::custom(format!(
        "found {found}, wanted a number from {least} to {most}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_say_what_is_wrong() {
        for (table, wanted) in [
            ("interval = \"now\"", "\"never\""),
            ("interval = \"0s\"", "above zero"),
            ("cap = \"soon\"", "time span"),
            ("factor = 0.5", "from 1 to 1000"),
            ("jitter = 2", "from 0 to 1"),
            ("intervall = \"5m\"", "intervall"),
        ] {
            let error = toml::from_str::<ProbeMonitorOptions>(table)
                .unwrap_err()
                .to_string();
            assert!(error.contains(wanted), "{table}: {error}");
        }
    }

    #[test]
    fn an_empty_table_holds_the_defaults() {
        let table: ProbeMonitorOptions = toml::from_str("").unwrap();
        assert_eq!(table, ProbeMonitorOptions::default());
    }
}
