//! Exact decimal numbers, carried as their text: OnSync transports decimals and never computes with them.

use crate::error::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// An exact decimal number of any length, for example `-12.50`.
///
/// The scale is kept (`1.50` stays `1.50`). Written without exponent, leading zeros or plus sign; negative zero is zero.
/// Parse the text with the decimal library of your choice to compute with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(Box<str>);

impl Decimal {
    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shortest decimal that reads back as this floating point number.
    ///
    /// # Errors
    /// `invalid_value` for NaN and infinities.
    pub fn from_real(real: f64) -> Result<Self> {
        if real.is_finite() {
            real.to_string().parse()
        } else {
            Err(invalid(&real.to_string()))
        }
    }
}

fn invalid(found: &str) -> Error {
    Error::rejected(
        "invalid_value",
        format!("wanted a decimal number such as -12.50, found {found:?}"),
    )
}

impl FromStr for Decimal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, Some(fraction)),
            Some(_) => return Err(invalid(text)),
            None => (unsigned, None),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction.unwrap_or("")) || (whole.is_empty() && fraction.is_none()) {
            return Err(invalid(text));
        }
        let whole = whole.trim_start_matches('0');
        let zero = whole.is_empty() && fraction.unwrap_or("").bytes().all(|byte| byte == b'0');
        let mut out = String::with_capacity(text.len() + 1);
        if text.starts_with('-') && !zero {
            out.push('-');
        }
        out.push_str(if whole.is_empty() { "0" } else { whole });
        if let Some(fraction) = fraction {
            out.push('.');
            out.push_str(fraction);
        }
        Ok(Self(out.into()))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_scale_and_drops_noise() {
        for (text, wanted) in [
            ("1.50", "1.50"),
            ("-0.00", "0.00"),
            ("007", "7"),
            (".5", "0.5"),
            ("+3", "3"),
            ("-12.5", "-12.5"),
            ("0", "0"),
        ] {
            assert_eq!(text.parse::<Decimal>().unwrap().as_str(), wanted);
        }
    }

    #[test]
    fn refuses_what_is_no_decimal() {
        for text in ["", "-", ".", "1.", "1e5", "NaN", "1,5", " 1", "١"] {
            assert!(text.parse::<Decimal>().is_err(), "{text:?} was taken");
        }
        assert!(Decimal::from_real(f64::NAN).is_err());
        assert_eq!(Decimal::from_real(0.99).unwrap().as_str(), "0.99");
    }
}
