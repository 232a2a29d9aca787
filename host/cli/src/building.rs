//! Building an agent at the command line: its progress is drawn, and a signal ends it.

use package::build::SourcePin;
use package::{ResolvedAgent, Trusted};
use run::HomePlace;
use service::{BuildProgress, Obtained, Workbench};
use vocabulary::Means;

use crate::err::CliError;
use crate::place;
use crate::screen::Screen;
use crate::signals::Signals;

/// What a build must match, and the signals that can end it.
#[derive(Default)]
pub(crate) struct HeldAgent<'a> {
    /// The source that was accepted, if it was.
    pub(crate) expected: Option<&'a SourcePin>,
    pub(crate) signals: Option<&'a mut Signals>,
}

struct Drawn<'a> {
    screen: &'a mut Screen,
    signals: Option<&'a mut Signals>,
}

impl BuildProgress for Drawn<'_> {
    fn step(&mut self, text: &str) {
        self.screen.step(text);
    }

    fn note(&mut self, text: &str) {
        self.screen.line(text);
    }

    fn tool(&mut self, line: &str) {
        self.screen.tool(line);
    }

    fn show_tail(&mut self) {
        self.screen.show_tail();
    }

    fn ended_by(&mut self) -> Option<Means> {
        self.signals.as_mut()?.pending()
    }
}

/// The component of an agent; it is built if its source changed.
pub(crate) async fn obtain(
    place: &HomePlace,
    agent: (&str, &ResolvedAgent),
    trusted: &Trusted,
    screen: &mut Screen,
    HeldAgent { expected, signals }: HeldAgent<'_>,
) -> Result<Obtained, CliError> {
    let bench = Workbench { place, options: place::host_options(), helper: place::build_helper(), expected };
    let obtained = service::obtain(&bench, agent, trusted, &mut Drawn { screen, signals }).await?;
    screen.clear();
    Ok(obtained)
}
