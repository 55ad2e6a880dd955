//! The conformance program: does with the client what it is told on standard input, and
//! writes what it saw. `tests/e2e/clients/README.md` has the protocol.

mod answers;
mod calls;
mod json;
mod lines;
mod order;

use sluice_client::BoxError;

use crate::lines::Lines;
use crate::order::Order;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let mut lines = Lines::new();
    while let Some(line) = lines.read().await? {
        let order: Order = serde_json::from_str(&line)?;
        calls::carry_out(order, &mut lines).await?;
        lines::write("end", true)?;
    }
    Ok(())
}
