//! The options of the transport, as they stand in `[transport]` of the configuration.

use onsync_core::wire::Format;
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// Where the server is and how to speak with it.
///
/// ```
/// # use onsync_http_transport::HttpTransportOptions;
/// let options: HttpTransportOptions = toml::from_str(
///     r#"
///     url = "https://sync.example.org"
///     time_out = "30s"
///     compression = "auto"
///     "#,
/// )?;
/// assert_eq!(options.time_out, std::time::Duration::from_secs(30));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpTransportOptions {
    /// The server's address; `/v1/sync` and `/v1/health` are appended to its path.
    pub url: String,
    /// How long to wait for an answer to begin, and between two of its pieces, unless the exchange says otherwise (30 s). A large
    /// request gets the time on top that a slow line needs to carry it.
    #[serde(default = "thirty_seconds", deserialize_with = "duration")]
    pub time_out: Duration,
    /// How long to wait for a connection (10 s). In the browser the browser decides.
    #[serde(default = "ten_seconds", deserialize_with = "duration")]
    pub connect_time_out: Duration,
    /// Whether bodies are compressed (`auto`).
    #[serde(default)]
    pub compression: Compression,
    /// The encoding of frames (`binary`).
    #[serde(default)]
    pub format: WireFormat,
    /// The largest request sent, encoded and before compression, in bytes (16 MiB). The server has a limit of its own.
    #[serde(default = "sixteen_mebibytes")]
    pub max_request_bytes: usize,
}

impl HttpTransportOptions {
    /// The defaults with this address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            time_out: thirty_seconds(),
            connect_time_out: ten_seconds(),
            compression: Compression::default(),
            format: WireFormat::default(),
            max_request_bytes: sixteen_mebibytes(),
        }
    }
}

/// Whether bodies are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Requests are compressed unless the server is on this machine, where the processor is dearer than the line; the server decides
    /// about its answers.
    #[default]
    Auto,
    /// Requests are compressed, whoever answers.
    On,
    /// Nothing is compressed, and the server is asked to compress nothing. In the browser, answers are the browser's affair.
    Off,
}

/// The encoding of frames, by its name in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireFormat {
    /// The compact binary form.
    #[default]
    Binary,
    /// JSON lines, to read along.
    JsonLines,
}

impl From<WireFormat> for Format {
    fn from(format: WireFormat) -> Self {
        match format {
            WireFormat::Binary => Self::Binary,
            WireFormat::JsonLines => Self::JsonLines,
        }
    }
}

fn thirty_seconds() -> Duration {
    Duration::from_secs(30)
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn sixteen_mebibytes() -> usize {
    16 << 20
}

/// Reads `"30s"`, `"1m 30s"`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| {
            serde::de::Error::custom(format!(
                "wanted a time span above zero such as \"30s\" or \"1m 30s\", found {text:?}"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_say_what_is_wrong() {
        for (table, wanted) in [
            ("time_out = \"30s\"", "url"),
            ("url = \"x\"\ntime_out = \"soon\"", "time span"),
            ("url = \"x\"\ntime_out = \"-3s\"", "time span"),
            ("url = \"x\"\ntime_out = \"0s\"", "time span"),
            ("url = \"x\"\ncompresion = \"on\"", "compresion"),
            ("url = \"x\"\ncompression = \"brotli\"", "brotli"),
            ("url = \"x\"\nformat = \"xml\"", "json_lines"),
        ] {
            let error = toml::from_str::<HttpTransportOptions>(table)
                .unwrap_err()
                .to_string();
            assert!(error.contains(wanted), "{table}: {error}");
        }
    }

    #[test]
    fn defaults_are_the_same_by_hand_and_by_table() {
        let table: HttpTransportOptions = toml::from_str("url = \"http://x\"").unwrap();
        assert_eq!(table, HttpTransportOptions::new("http://x"));
    }
}
