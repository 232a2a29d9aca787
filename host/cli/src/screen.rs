//! What is drawn while something goes on: a line that moves on a terminal, plain lines elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vocabulary::record::AskedFor;
use vocabulary::{Claim, ClaimedProgress, Reason, SafeText};

use crate::{out, words};

/// BOUND: refusals that are told while a run goes on; the report has all.
const REFUSALS_TOLD_MAX: u32 = 20;
/// BOUND: lines of a tool that are shown again when it fails.
const TAIL_LINES_MAX: usize = 100;

/// The standard error, seen by a person or kept in a file.
pub(crate) struct Screen {
    bar: Option<ProgressBar>,
    refusals_told: u32,
    tail: Vec<String>,
}

/// A screen that work on another thread draws on, until it is cleared.
#[derive(Clone)]
pub(crate) struct SharedScreen(Arc<Mutex<Option<Screen>>>);

impl SharedScreen {
    /// See [`Screen::quietly`].
    pub(crate) fn quietly(&self, text: &str) {
        if let Some(screen) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            screen.quietly(text);
        }
    }

    /// Nothing is drawn any more.
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

    /// The moving line; none where nobody sees it move.
    fn bar(&mut self) -> Option<&ProgressBar> {
        if self.bar.is_none() && out::words_to_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(spinner());
            bar.enable_steady_tick(Duration::from_millis(120));
            self.bar = Some(bar);
        }
        self.bar.as_ref()
    }

    /// A line that stays.
    pub(crate) fn line(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::words(text)),
            None => out::words(text),
        }
    }

    /// What is done just now.
    pub(crate) fn step(&mut self, text: &str) {
        match self.bar() {
            Some(bar) => bar.set_message(text.to_owned()),
            None => out::words(text),
        }
    }

    /// What is done just now, where it can move past.
    pub(crate) fn quietly(&mut self, text: &str) {
        if let Some(bar) = self.bar() {
            bar.set_message(text.to_owned());
        }
    }

    /// A line of a tool that builds: moves past on a terminal.
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

    /// The last lines of a tool that failed, which had moved past.
    pub(crate) fn show_tail(&mut self) {
        self.clear();
        std::mem::take(&mut self.tail).iter().for_each(|line| out::words(&format!("  {line}")));
    }

    /// What an agent says. Its words are escaped already.
    pub(crate) fn said(&mut self, agent: &str, claim: &Claim) {
        match claim {
            Claim::Stderr(text) | Claim::Stdout(text) => match &self.bar {
                Some(bar) => bar.suspend(|| out::guest_words(agent, text.as_str())),
                None => out::guest_words(agent, text.as_str()),
            },
            // In the report, sorted, where it is not taken for something that the host says.
            Claim::Finding(_) => {}
            Claim::Progress(progress) => self.progress(agent, progress),
        }
    }

    pub(crate) fn progress(&mut self, agent: &str, progress: &ClaimedProgress) {
        // Lines of progress in a file help nobody: the record has them.
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
            self.line("refused: more, which are in the report");
        }
    }

    /// Takes the moving line away.
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

/// The templates are ours, so they parse; were one not to, the plain bar is as good.
fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn measured() -> ProgressStyle {
    let template = "{spinner} {bar:30} {human_pos}/{human_len} {wide_msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
