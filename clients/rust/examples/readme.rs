//! The code of the README, so that it compiles; a test compares them.

#![allow(dead_code, reason = "the README's other sections are only compiled")]

use std::io::Write as _;

use sluice_client::{BoxError, Client, Options, prompt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let client = Client::connect("127.0.0.1:50051", Options::new())?;
    let request = prompt(
        "local/smollm2-135m-instruct",
        "Write one sentence about rivers.",
    );
    let mut text = client.generate(request).text();
    while let Some(piece) = text.next().await {
        print!("{}", piece?);
        std::io::stdout().flush()?;
    }
    println!();
    Ok(())
}

async fn events(client: Client) -> Result<(), BoxError> {
    use sluice_client::v1::event::Kind;

    let mut stream = client.generate(prompt("local/smollm2-135m-instruct", "Hello"));
    while let Some(event) = stream.next().await {
        match event?.kind {
            Some(Kind::ReasoningDelta(delta)) => eprint!("{}", delta.text),
            Some(Kind::TextDelta(delta)) => print!("{}", delta.text),
            Some(Kind::Completed(completed)) => println!("{:?}", completed.usage),
            _ => {}
        }
    }
    Ok(())
}

async fn whole_answers(client: Client) -> Result<(), BoxError> {
    use sluice_client::user;

    let mut request = prompt("local/smollm2-135m-instruct", "Name a river.");
    let answer = client.collect(request.clone()).await?;
    println!("{} {:?}", answer.text(), answer.finish_reason());

    request.messages.push(answer.message); // what providers want back is in it
    request.messages.push(user("Another one."));
    println!("{}", client.collect(request).await?.text());
    Ok(())
}

async fn tools(client: Client) -> Result<(), BoxError> {
    use sluice_client::v1::{ToolCall, event::Kind};
    use sluice_client::{Function, ToolError};

    let weather = Function::new(
        "get_weather",
        "Current weather of a city.",
        r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#,
        async |call: ToolCall| {
            if call.arguments_json.contains("Atlantis") {
                return Err(ToolError::new("There is no weather station.").into());
            }
            Ok("21 °C, sunny".to_owned())
        },
    );
    let request = prompt(
        "local/smollm2-135m-instruct",
        "What is the weather in Paris?",
    );
    let mut run = client.run_tools(request, [weather]);
    while let Some(event) = run.next().await {
        if let Some(Kind::TextDelta(delta)) = event?.kind {
            print!("{}", delta.text);
        }
    }
    println!(
        "{} turns, {} messages",
        run.answers().len(),
        run.messages().len()
    );
    Ok(())
}

async fn errors(client: Client) {
    if let Err(error) = client.collect(prompt("nobody/nothing", "Hello")).await {
        match (error.reason(), error.retry_delay()) {
            ("CONTEXT_TOO_LONG", _) => println!("The conversation must be shorter."),
            (_, Some(delay)) => println!("{}; again in {delay:?}", error.message()),
            _ => println!("{error} (turn {})", error.generation_id()),
        }
    }
}

async fn deadlines(client: Client) -> Result<(), BoxError> {
    use std::time::Duration;

    let hasty = client.with_timeout(Duration::from_secs(60));
    let mut stream = hasty.generate(prompt("local/smollm2-135m-instruct", "Hello"));
    let first = stream.next().await;
    drop(stream);
    println!("{first:?}");
    Ok(())
}

async fn metadata(client: Client) -> Result<(), BoxError> {
    let patient = client.with_metadata([("sluice-priority", "low")])?;
    let answer = patient
        .collect(prompt("local/smollm2-135m-instruct", "Hello"))
        .await?;
    println!("{}", answer.text());
    Ok(())
}

fn tls_and_token() -> Result<Client, BoxError> {
    use sluice_client::Tls;

    let tls = Tls {
        ca: Some(std::fs::read("ca.pem")?), // without it the system's authorities
        ..Tls::default()                    // cert and key, for mutual TLS
    };
    let options = Options::new()
        .token(std::env::var("SLUICE_TOKEN")?)
        .tls(tls);
    let client = Client::connect("dns:///sluice.default.svc:50051", options)?;
    Ok(client)
}

async fn other_calls(client: Client) -> Result<(), BoxError> {
    use sluice_client::ServingStatus;
    use sluice_client::v1::{GetRateLimitsRequest, ModelFilter};

    let mut models = client.models(ModelFilter {
        query: "smollm2".into(),
        ..ModelFilter::default()
    });
    while let Some(model) = models.next().await {
        println!("{}", model?.name);
    }
    let limits = client
        .get_rate_limits(GetRateLimitsRequest::default())
        .await?;
    println!("{} limits", limits.buckets.len());
    assert_eq!(client.health("").await?, ServingStatus::Serving);
    Ok(())
}
