//! A progress bar for long syncs: rows, bytes, rate, time left. On a terminal only, and only once a sync takes longer than a moment.

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use onsync::core::value::Timestamp;
use onsync::{Event, Phase};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Shorter syncs show nothing.
const MOMENT: Duration = Duration::from_millis(400);

/// The bar, drawn on stderr.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    since: Instant,
}

impl Progress {
    /// A bar, hidden unless wanted and somebody can see it.
    pub(crate) fn new(wanted: bool) -> Self {
        let visible = wanted && std::io::stderr().is_terminal();
        let target = if visible {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            since: Instant::now(),
        }
    }

    /// What the bar hears.
    pub(crate) fn listener(&self) -> impl Fn(Timestamp, &Event) + Send + Sync + 'static {
        let progress = self.clone();
        move |_, event| progress.on_event(event)
    }

    fn on_event(&self, event: &Event) {
        let Event::OnSyncProgress {
            entity,
            phase,
            done,
            total,
            bytes,
            ..
        } = event
        else {
            return;
        };
        if self.since.elapsed() < MOMENT {
            return;
        }
        let verb = match phase {
            Phase::Push => "sending",
            Phase::Pull => "receiving",
            Phase::CatchUp => "catching up",
        };
        if self.bar.message() != *entity {
            // Each entity has its own total, and so its own rate and time left.
            self.bar.reset();
            self.bar.set_message(entity.clone());
        }
        self.bar.set_prefix(format!("{verb} · {}", HumanBytes(*bytes)));
        match total {
            Some(total) => {
                self.bar.set_style(style(
                    "{prefix:>22} {msg} {wide_bar:.cyan/dim} {human_pos}/{human_len} · {per_sec} · {eta} left",
                ));
                self.bar.set_length(*total);
            }
            None => self
                .bar
                .set_style(style("{prefix:>22} {msg} {spinner} {human_pos} · {per_sec}")),
        }
        self.bar.set_position(*done);
    }

    /// Removes the bar.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// A template; one that indicatif does not understand falls back to its own.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in [
            "{prefix:>22} {msg} {wide_bar:.cyan/dim} {human_pos}/{human_len} · {per_sec} · {eta} left",
            "{prefix:>22} {msg} {spinner} {human_pos} · {per_sec}",
        ] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
