//! What the headers of a request ask for.

use axum::http::HeaderMap;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName,
};
use onsync_core::wire::Format;

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// All values of a list header with their weight in thousandths, in the order they stand.
fn weighted(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = (&str, u16)> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let weight = parts
                .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
                .map_or(1000, |q| {
                    q.parse::<f32>()
                        .map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16)
                });
            (name, weight)
        })
        .filter(|(name, _)| !name.is_empty())
}

/// The bearer token; a header of another form counts as none.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, AUTHORIZATION)?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}

/// The format of the request's frames.
pub(crate) fn request_format(headers: &HeaderMap) -> Option<Format> {
    Format::from_media_type(text(headers, CONTENT_TYPE)?)
}

/// The format of the answer: the best weighted one, that of the request where the client leaves it open.
pub(crate) fn answer_format(headers: &HeaderMap, request: Format) -> Option<Format> {
    if !headers.contains_key(ACCEPT) {
        return Some(request);
    }
    let mut best: Option<(Format, u16)> = None;
    for (name, weight) in weighted(headers, ACCEPT) {
        let format = match name {
            "*/*" | "application/*" => Some(request),
            name => Format::from_media_type(name),
        };
        if let Some(format) = format.filter(|_| weight > 0 && best.is_none_or(|(_, found)| weight > found)) {
            best = Some((format, weight));
        }
    }
    best.map(|(format, _)| format)
}

/// How the request's body is compressed; none if in a way that is not understood, or more than once.
pub(crate) fn request_coding(headers: &HeaderMap) -> Option<Coding> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(value) = values.next() else {
        return Some(Coding::Identity);
    };
    let value = value.to_str().ok()?.trim();
    if values.next().is_some() {
        return None;
    }
    match value.to_ascii_lowercase().as_str() {
        "" | "identity" => Some(Coding::Identity),
        "gzip" | "x-gzip" => Some(Coding::Gzip),
        "zstd" => Some(Coding::Zstd),
        _ => None,
    }
}

/// How the answer may be compressed: the best weighted one, zstd before gzip where they are equal.
pub(crate) fn answer_coding(headers: &HeaderMap) -> Coding {
    let weight = |wanted: &[&str]| {
        let mut found = None;
        let mut rest = 0;
        for (name, weight) in weighted(headers, ACCEPT_ENCODING) {
            if wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)) {
                found = Some(weight);
            } else if name == "*" {
                rest = weight;
            }
        }
        found.unwrap_or(rest)
    };
    let (zstd, gzip) = (weight(&["zstd"]), weight(&["gzip", "x-gzip"]));
    match (zstd, gzip) {
        (0, 0) => Coding::Identity,
        (zstd, gzip) if zstd >= gzip => Coding::Zstd,
        _ => Coding::Gzip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_a_well_formed_bearer_header_gives_a_token() {
        for (value, wanted) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Bearer a b", None),
            ("Basic abc", None),
            ("abc", None),
        ] {
            assert_eq!(token(&headers(&[(AUTHORIZATION, value)])), wanted, "{value}");
        }
        assert_eq!(token(&HeaderMap::new()), None);
    }

    #[test]
    fn the_answer_s_format_is_the_best_that_both_know() {
        let (binary, json) = (Format::Binary.media_type(), Format::JsonLines.media_type());
        let both = format!("{binary};q=0.5, {json}");
        let reversed = format!("{binary}, {json};q=0.9");
        let none = format!("{binary};q=0");
        for (accept, wanted) in [
            (binary, Some(Format::Binary)),
            (json, Some(Format::JsonLines)),
            (&both, Some(Format::JsonLines)),
            (&reversed, Some(Format::Binary)),
            ("*/*", Some(Format::JsonLines)),
            ("text/html, application/*;q=0.8", Some(Format::JsonLines)),
            ("text/html", None),
            (&none, None),
            ("", None),
        ] {
            let found = answer_format(&headers(&[(ACCEPT, accept)]), Format::JsonLines);
            assert_eq!(found, wanted, "{accept}");
        }
        assert_eq!(
            answer_format(&HeaderMap::new(), Format::Binary),
            Some(Format::Binary)
        );
    }

    #[test]
    fn a_body_is_compressed_once_or_refused() {
        for (values, wanted) in [
            (&[][..], Some(Coding::Identity)),
            (&["identity"], Some(Coding::Identity)),
            (&["GZIP"], Some(Coding::Gzip)),
            (&["zstd"], Some(Coding::Zstd)),
            (&["br"], None),
            (&["gzip, gzip"], None),
            (&["gzip", "zstd"], None),
        ] {
            let pairs: Vec<_> = values.iter().map(|value| (CONTENT_ENCODING, *value)).collect();
            assert_eq!(request_coding(&headers(&pairs)), wanted, "{values:?}");
        }
    }

    #[test]
    fn answers_are_compressed_as_the_client_prefers() {
        for (value, wanted) in [
            ("zstd, gzip", Coding::Zstd),
            ("gzip, deflate, br, zstd", Coding::Zstd),
            ("gzip", Coding::Gzip),
            ("gzip;q=1.0, zstd;q=0.5", Coding::Gzip),
            ("*", Coding::Zstd),
            ("zstd;q=0, *", Coding::Gzip),
            ("br", Coding::Identity),
            ("identity", Coding::Identity),
            ("zstd;q=nonsense", Coding::Identity),
        ] {
            assert_eq!(
                answer_coding(&headers(&[(ACCEPT_ENCODING, value)])),
                wanted,
                "{value}"
            );
        }
        assert_eq!(answer_coding(&HeaderMap::new()), Coding::Identity);
    }
}
