//! `rpar profile`: `list` and `show` here, the others in a file each.

mod check;
mod copy;
mod create;
mod edit;
mod import;
mod live;
mod path;
mod place;

use serde_json::{Map, Value, json};

use crate::command::arguments::{ProfileCommands, ShowArguments};
use crate::command::context::Context;
use crate::command::exit::Exit;
use crate::command::output::Table;
use crate::command::report::Outcome;
use crate::profile::Profile;

pub(crate) fn run(context: &Context, command: &ProfileCommands) -> Outcome {
    match command {
        ProfileCommands::List => list(context),
        ProfileCommands::Show(arguments) => show(context, arguments),
        ProfileCommands::Path(arguments) => path::run(context, arguments),
        ProfileCommands::Create(arguments) => create::run(context, arguments),
        ProfileCommands::Import(arguments) => import::run(context, arguments),
        ProfileCommands::Check(arguments) => check::run(context, arguments),
        ProfileCommands::Edit(arguments) => edit::run(context, arguments),
    }
}

fn list(context: &Context) -> Outcome {
    let mut table = Table::new(["PROFILE", "FROM", "DESCRIPTION"]);
    let mut all = Vec::new();
    for listed in context.profiles.list() {
        let from: Vec<String> = listed.files.iter().map(ToString::to_string).collect();
        let error = listed.description.as_ref().err().map(ToString::to_string);
        let description = listed.description.unwrap_or_else(|error| format!("broken: {error}"));
        all.push(json!({ "profile": listed.name, "from": from, "description": description, "error": error }));
        table.row([listed.name, from.join(", "), description]);
    }
    if context.output.json {
        context.output.document(json!({ "profiles": all }))?;
    } else {
        context.output.answer(&table.render(context.output.colors_stdout()))?;
        let [site, user, project] = context.profiles.directories().map(|path| path.display().to_string());
        context.output.note(&format!("\nprofiles are looked for in {site}, {user} and {project}"));
    }
    Ok(Exit::Ok)
}

fn show(context: &Context, arguments: &ShowArguments) -> Outcome {
    let name = arguments.name.as_deref().unwrap_or(&context.profile);
    let profile = context.profiles.load(name)?;
    if context.output.json {
        context.output.document(document(&profile))?;
    } else if arguments.origins {
        let mut table = Table::new(["KEY", "VALUE", "FROM"]);
        for (key, value) in profile.values() {
            let from = profile.origins().of(&key).map(ToString::to_string).unwrap_or_default();
            table.row([key, beginning(&value.to_string()), from]);
        }
        context.output.answer(&table.render(context.output.colors_stdout()))?;
    } else {
        // what was read from TOML has a form in TOML
        context.output.answer(&toml::to_string_pretty(profile.table()).unwrap_or_default())?;
    }
    Ok(Exit::Ok)
}

/// What a table shows of a value: all that fits beside its origin. A job script does not.
fn beginning(value: &str) -> String {
    const COLUMNS: usize = 40;
    let line = value.replace('\n', " ");
    match line.char_indices().nth(COLUMNS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn document(profile: &Profile) -> Value {
    let values = profile.values().into_iter().map(|(key, value)| {
        let from = profile.origins().of(&key).map(ToString::to_string);
        (key, json!({ "value": value, "from": from }))
    });
    json!({ "profile": profile.name(), "values": values.collect::<Map<String, Value>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_leaves_room_for_its_origin() {
        assert_eq!(beginning("8"), "8");
        let script = "#!/bin/bash\n".repeat(20);
        assert!(
            beginning(&script).starts_with("#!/bin/bash #!/bin/bash ") && beginning(&script).ends_with('…')
        );
        assert_eq!(beginning(&"é".repeat(99)).chars().count(), 41);
    }
}
