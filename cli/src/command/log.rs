//! What the libraries log, as this program's user reads it.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::arguments::{Cli, Commands};

/// Sends it to stderr: warnings, more with -v; a cluster's own processes always tell what they do.
pub(super) fn watch(cli: &Cli) {
    let serves = matches!(cli.command, Commands::Controller(_) | Commands::Pilot(_) | Commands::Engine(_));
    let level = match cli.global.verbose + u8::from(serves) {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("RPAR_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // it would complain of a full disk by eprintln, which panics for the same reason
    let log = log.log_internal_errors(false);
    if serves {
        log.with_target(false).init();
    } else {
        log.event_format(Plain).init();
    }
}

/// Lines like those that commands write themselves: `warning: ...`.
struct Plain;

impl<S, F> FormatEvent<S, F> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, F>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let label = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(writer, "{label}: ")?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
