//! Progress while a run or a build is active: a line that changes on a terminal, plain lines elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vocabulary::record::AskedFor;
use vocabulary::{Claim, ClaimedProgress, Reason, SafeText};

use crate::{out, words};

/// BOUND: refusals that are printed while a run is active; the report has all of them.
const REFUSALS_TOLD_MAX: u32 = 20;
/// BOUND: lines of a tool that are shown again when it fails.
const TAIL_LINES_MAX: usize = 100;

/// Standard error: a terminal or a file.
pub(crate) struct Screen {
    bar: Option<ProgressBar>,
    refusals_told: u32,
    tail: Vec<String>,
}

/// A screen for work on another thread, until it is cleared.
#[derive(Clone)]
pub(crate) struct SharedScreen(Arc<Mutex<Option<Screen>>>);

impl SharedScreen {
    /// See [`Screen::quietly`].
    pub(crate) fn quietly(&self, text: &str) {
        if let Some(screen) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            screen.quietly(text);
        }
    }

    /// Clears the screen. Nothing is drawn after that.
    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Screen {
    pub(crate) fn shared() -> SharedScreen {
        SharedScreen(Arc::new(Mutex::new(Some(Self::new()))))
    }

    pub(crate) fn new() -> Self {
        Self { bar: None, refusals_told: 0, tail: Vec::new() }
    }

    /// The line that changes; `None` if standard error is not a terminal.
    fn bar(&mut self) -> Option<&ProgressBar> {
        if self.bar.is_none() && out::words_to_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(spinner());
            bar.enable_steady_tick(Duration::from_millis(120));
            self.bar = Some(bar);
        }
        self.bar.as_ref()
    }

    /// Prints a line that stays.
    pub(crate) fn line(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::words(text)),
            None => out::words(text),
        }
    }

    /// Shows what is being done now.
    pub(crate) fn step(&mut self, text: &str) {
        match self.bar() {
            Some(bar) => bar.set_message(text.to_owned()),
            None => out::words(text),
        }
    }

    /// Shows what is being done now, on a terminal only.
    pub(crate) fn quietly(&mut self, text: &str) {
        if let Some(bar) = self.bar() {
            bar.set_message(text.to_owned());
        }
    }

    /// Shows a line of a build tool. On a terminal, the next line replaces it.
    pub(crate) fn tool(&mut self, text: &str) {
        match self.bar() {
            Some(bar) => {
                bar.set_message(SafeText::new(text.trim(), 100).to_string());
                if self.tail.len() == TAIL_LINES_MAX {
                    self.tail.remove(0);
                }
                self.tail.push(text.to_owned());
            }
            None => out::words(&format!("  {text}")),
        }
    }

    /// Prints the last lines of a tool that failed, which were replaced on the terminal.
    pub(crate) fn show_tail(&mut self) {
        self.clear();
        std::mem::take(&mut self.tail).iter().for_each(|line| out::words(&format!("  {line}")));
    }

    /// Prints what an agent says. The text is escaped already.
    pub(crate) fn said(&mut self, agent: &str, claim: &Claim) {
        match claim {
            Claim::Stderr(text) | Claim::Stdout(text) => match &self.bar {
                Some(bar) => bar.suspend(|| out::guest_words(agent, text.as_str())),
                None => out::guest_words(agent, text.as_str()),
            },
            // Findings are in the report, sorted, where they are not taken for statements of the host.
            Claim::Finding(_) => {}
            Claim::Progress(progress) => self.progress(agent, progress),
        }
    }

    pub(crate) fn progress(&mut self, agent: &str, progress: &ClaimedProgress) {
        // Lines of progress are not written to a file: the record has them.
        let Some(bar) = self.bar() else { return };
        bar.set_message(format!("{}{}", out::mark(agent), progress.what));
        bar.set_position(progress.done);
        if progress.total > 0 {
            bar.set_length(progress.total);
            bar.set_style(measured());
        } else {
            bar.set_style(spinner());
        }
    }

    pub(crate) fn refused(&mut self, ask: &AskedFor, reason: &Reason) {
        self.refusals_told += 1;
        if self.refusals_told <= REFUSALS_TOLD_MAX {
            self.line(&format!(
                "refused: {} {}: {}",
                words::function(ask.function),
                ask.resource,
                words::reason(&reason.to_string(), &ask.resource)
            ));
        } else if self.refusals_told == REFUSALS_TOLD_MAX + 1 {
            self.line("more refusals: see the report");
        }
    }

    /// Removes the line that changes.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The templates are constants that parse. If one did not, the default style is used.
fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn measured() -> ProgressStyle {
    let template = "{spinner} {bar:30} {human_pos}/{human_len} {wide_msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
