//! What OnSync counts, and the one way to the recorder that a program has chosen.
//!
//! Each crate that counts has a table of [`MetricInfo`]; nothing is counted that stands in none. With the feature `metrics` the numbers go
//! to whatever recorder of the `metrics` crate is installed; without it, as in a browser, counting is nothing at all.

/// How a number behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Many values, kept by size.
    Histogram,
}

impl MetricKind {
    /// As in the reference.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One number. Names, labels and units stay the same from version to version.
#[derive(Debug, PartialEq, Eq)]
pub struct MetricInfo {
    /// The name; what is counted in a unit says so at its end (`_seconds`, `_bytes`).
    pub name: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// The unit: `seconds`, `bytes`, or what is counted.
    pub unit: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, without a full stop.
    pub meaning: &'static str,
}

impl MetricInfo {
    /// A counter.
    pub const fn counter(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(MetricKind::Counter, name, unit, labels, meaning)
    }

    /// A gauge.
    pub const fn gauge(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(MetricKind::Gauge, name, unit, labels, meaning)
    }

    /// A histogram.
    pub const fn histogram(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(MetricKind::Histogram, name, unit, labels, meaning)
    }

    const fn new(
        kind: MetricKind,
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            unit,
            labels,
            meaning,
        }
    }

    /// A counter grows. `labels` are the values, in the order of the names.
    pub fn add(&'static self, labels: &[&str], by: u64) {
        recorder::add(self, labels, by);
    }

    /// A gauge is now this.
    pub fn set(&'static self, labels: &[&str], value: f64) {
        recorder::set(self, labels, value);
    }

    /// A gauge changes by this.
    pub fn change(&'static self, labels: &[&str], by: f64) {
        recorder::change(self, labels, by);
    }

    /// A histogram takes a value.
    pub fn observe(&'static self, labels: &[&str], value: f64) {
        recorder::observe(self, labels, value);
    }

    /// Tells the recorder that is installed what this number says.
    pub fn describe(&self) {
        recorder::describe(self);
    }
}

/// A code as the value of a label: only what is made as OnSync's own codes are, so that nothing else gets among the numbers.
pub fn code_label(code: &str) -> &str {
    let fits =
        (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if fits { code } else { OTHER }
}

/// The value of a label for what has no name of ours.
pub const OTHER: &str = "other";

#[cfg(feature = "metrics")]
mod recorder {
    use super::{MetricInfo, MetricKind};
    use metrics::{Key, Label, Level, Metadata, SharedString, Unit, with_recorder};

    static METADATA: Metadata<'static> = Metadata::new("onsync", Level::INFO, None);

    fn key(info: &'static MetricInfo, values: &[&str]) -> Key {
        debug_assert_eq!(info.labels.len(), values.len(), "the labels of {}", info.name);
        let labels = info.labels.iter().zip(values);
        let labels: Vec<Label> = labels
            .map(|(name, value)| Label::new(*name, (*value).to_owned()))
            .collect();
        Key::from_parts(info.name, labels)
    }

    pub(super) fn add(info: &'static MetricInfo, labels: &[&str], by: u64) {
        debug_assert_eq!(info.kind, MetricKind::Counter, "{}", info.name);
        with_recorder(|recorder| {
            recorder
                .register_counter(&key(info, labels), &METADATA)
                .increment(by)
        });
    }

    pub(super) fn set(info: &'static MetricInfo, labels: &[&str], value: f64) {
        debug_assert_eq!(info.kind, MetricKind::Gauge, "{}", info.name);
        with_recorder(|recorder| recorder.register_gauge(&key(info, labels), &METADATA).set(value));
    }

    pub(super) fn change(info: &'static MetricInfo, labels: &[&str], by: f64) {
        debug_assert_eq!(info.kind, MetricKind::Gauge, "{}", info.name);
        with_recorder(|recorder| {
            recorder
                .register_gauge(&key(info, labels), &METADATA)
                .increment(by)
        });
    }

    pub(super) fn observe(info: &'static MetricInfo, labels: &[&str], value: f64) {
        debug_assert_eq!(info.kind, MetricKind::Histogram, "{}", info.name);
        with_recorder(|recorder| {
            recorder
                .register_histogram(&key(info, labels), &METADATA)
                .record(value)
        });
    }

    pub(super) fn describe(info: &MetricInfo) {
        let name = || info.name.into();
        let unit = match info.unit {
            "seconds" => Unit::Seconds,
            "bytes" => Unit::Bytes,
            _ => Unit::Count,
        };
        let meaning = SharedString::const_str(info.meaning);
        with_recorder(|recorder| match info.kind {
            MetricKind::Counter => recorder.describe_counter(name(), Some(unit), meaning),
            MetricKind::Gauge => recorder.describe_gauge(name(), Some(unit), meaning),
            MetricKind::Histogram => recorder.describe_histogram(name(), Some(unit), meaning),
        });
    }
}

#[cfg(not(feature = "metrics"))]
mod recorder {
    use super::MetricInfo;

    pub(super) fn add(_: &MetricInfo, _: &[&str], _: u64) {}
    pub(super) fn set(_: &MetricInfo, _: &[&str], _: f64) {}
    pub(super) fn change(_: &MetricInfo, _: &[&str], _: f64) {}
    pub(super) fn observe(_: &MetricInfo, _: &[&str], _: f64) {}
    pub(super) fn describe(_: &MetricInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_code_is_a_label() {
        for (code, label) in [
            ("constraint_violated", "constraint_violated"),
            ("", OTHER),
            ("customer 17", OTHER),
            ("no_such_record_17", OTHER),
            ("Ünknown", OTHER),
            ("a\nb", OTHER),
        ] {
            assert_eq!(code_label(code), label);
        }
        assert_eq!(code_label(&"a".repeat(65)), OTHER);
    }
}
