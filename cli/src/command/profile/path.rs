//! `rpar profile path`.

use serde_json::json;

use crate::command::arguments::PathArguments;
use crate::command::context::Context;
use crate::command::exit::Exit;
use crate::command::output::Table;
use crate::command::report::Outcome;
use crate::profile::Level;

pub(crate) fn run(context: &Context, arguments: &PathArguments) -> Outcome {
    let name = arguments.name.as_deref().unwrap_or(&context.profile);
    let layers = context.profiles.layers(name)?;
    let user = context.profiles.file(Level::User, name);
    let mut table = Table::new(["PROFILE", "LAYER", "FILE"]);
    let mut list = Vec::new();
    for layer in layers {
        let level = layer.level.map_or_else(|| "shipped".to_owned(), |level| level.to_string());
        list.push(json!({ "profile": layer.profile, "layer": level, "file": layer.path }));
        let file =
            layer.path.map_or_else(|| "(comes with rpar)".to_owned(), |path| path.display().to_string());
        table.row([layer.profile, level, file]);
    }
    if context.output.json {
        let own = json!({ "file": user, "exists": user.is_file() });
        context.output.document(json!({ "profile": name, "layers": list, "user": own }))?;
        return Ok(Exit::Ok);
    }
    context.output.answer(&table.render(context.output.colors_stdout()))?;
    if !user.is_file() {
        context
            .output
            .note(&format!("\nyour own would be {}: `rpar profile edit {name}` makes it", user.display()));
    }
    Ok(Exit::Ok)
}
