//! `-v`: what is being done, told on stderr.

use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::out::LogWriter;

/// Starts telling: once for the steps, twice for every detail. Without `-v` nothing is set up.
pub(crate) fn trace(verbosity: u8) {
    let level = match verbosity {
        0 => return,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let lines =
        tracing_subscriber::fmt::layer().with_writer(|| LogWriter).with_ansi(false).with_target(false);
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    // Refused only where somebody has set one up already: a test.
    let _ = tracing_subscriber::registry().with(lines.with_filter(ours)).try_init();
}
