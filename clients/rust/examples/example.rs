//! Asks for a sentence, then lets the model call a function:
//! `example [ADDRESS [MODEL]]`, with the token in `SLUICE_TOKEN` if there is one.

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use sluice_client::v1::event::Kind;
use sluice_client::v1::{Completed, Event};
use sluice_client::{BoxError, Client, Function, Options, prompt};

const SCHEMA: &str =
    r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;

/// Writes an event as far as it is of interest to a reader.
fn show(event: &Event) -> io::Result<()> {
    match &event.kind {
        Some(Kind::TextDelta(delta)) => {
            print!("{}", delta.text);
            io::stdout().flush()?;
        }
        Some(Kind::PartFinished(finished)) => match &finished.tool_call {
            Some(call) => println!("{}({})", call.name, call.arguments_json),
            None => println!(),
        },
        Some(Kind::Completed(completed)) => println!("[{}]", figures(completed)),
        _ => {}
    }
    Ok(())
}

fn figures(completed: &Completed) -> String {
    let usage = completed.usage.unwrap_or_default();
    let tokens = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
    let cost = completed.cost.as_ref().map(|cost| {
        let millionths = (cost.usd_nanos + 500) / 1000;
        format!("${}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
    });
    format!(
        "{} tokens in, {} out, {}",
        tokens(usage.input_tokens),
        tokens(usage.output_tokens),
        cost.as_deref().unwrap_or("cost unknown"),
    )
}

async fn run(address: &str, model: &str) -> Result<(), BoxError> {
    let mut options = Options::new();
    if let Ok(token) = env::var("SLUICE_TOKEN") {
        options = options.token(token);
    }
    let client = Client::connect(address, options)?;

    let question = "Write one sentence about rivers.";
    println!("> {question}");
    let mut stream = client.generate(prompt(model, question));
    while let Some(event) = stream.next().await {
        show(&event?)?;
    }

    let weather = Function::new(
        "get_weather",
        "Current weather of a city.",
        SCHEMA,
        async |_call| Ok("21 °C, sunny".to_owned()),
    );
    let question = "What is the weather in Paris?";
    println!("> {question}");
    let mut run = client.run_tools(prompt(model, question), [weather]);
    while let Some(event) = run.next().await {
        show(&event?)?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:50051".to_owned());
    let model = arguments
        .next()
        .unwrap_or("local/smollm2-135m-instruct".to_owned());
    match run(&address, &model).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
