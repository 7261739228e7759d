//! `rpar man`: manual pages, from what `--help` is made of.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use serde_json::json;

use super::context::Context;
use crate::command::arguments::{ManArguments, params};
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};

pub(crate) fn run(context: &Context, arguments: &ManArguments) -> Outcome {
    let mut command = params::command(&[]).disable_help_subcommand(true);
    command.build();
    let Some(directory) = &arguments.directory else {
        let page = String::from_utf8_lossy(&page(&command)).into_owned();
        if context.output.json {
            context.output.document(json!({ "page": page }))?;
        } else {
            context.output.answer(&page)?;
        }
        return Ok(Exit::Ok);
    };
    let failed = |error: io::Error, path: &Path| {
        Report::of(Exit::Files, &error).because(format!("could not write {}", path.display()))
    };
    fs::create_dir_all(directory).map_err(|error| failed(error, directory))?;
    let mut written = Vec::new();
    for (name, page) in pages(&command) {
        let path = directory.join(name);
        fs::write(&path, page).map_err(|error| failed(error, &path))?;
        written.push(path);
    }
    if context.output.json {
        context.output.document(json!({ "written": written }))?;
    } else {
        context.output.note(&format!("{} pages are in {}", written.len(), directory.display()));
    }
    Ok(Exit::Ok)
}

/// The pages of a command and of all below it that `--help` shows, with the names of their files.
fn pages(command: &Command) -> Vec<(String, Vec<u8>)> {
    let below = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    let name = Man::new(command.clone()).get_filename();
    std::iter::once((name, page(command))).chain(below.flat_map(pages)).collect()
}

/// One page. What follows the options is shown as it is in `--help`, line by line.
fn page(command: &Command) -> Vec<u8> {
    let man = Man::new(command.clone()).source(concat!("rpar ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    let mut write = || -> io::Result<()> {
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
            man.render_subcommands_section(&mut page)?;
        }
        if let Some(notes) = command.get_after_long_help().or_else(|| command.get_after_help()) {
            let mut roff = Roff::new();
            roff.control("SH", ["NOTES"]).control("nf", []);
            for line in notes.to_string().lines() {
                roff.text([roman(line)]);
            }
            roff.control("fi", []).to_writer(&mut page)?;
        }
        Ok(())
    };
    // a vector takes all that is written to it
    let _ = write();
    page
}
