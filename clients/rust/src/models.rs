//! All models, over all pages.

use std::collections::VecDeque;

use crate::client::Client;
use crate::error::Error;
use crate::v1::{ListModelsRequest, Model, ModelFilter};

/// The models that meet a filter's conditions, ordered by name. Pages are fetched as they
/// are needed.
#[derive(Debug)]
#[must_use = "models are fetched when they are read"]
pub struct Models {
    client: Client,
    /// What to ask for next; `None` after the last page.
    next: Option<ListModelsRequest>,
    /// What is left of the page that was fetched last.
    page: VecDeque<Model>,
}

impl Models {
    pub(crate) fn new(client: Client, filter: ModelFilter) -> Self {
        let next = ListModelsRequest {
            filter: Some(filter),
            ..ListModelsRequest::default()
        };
        Self {
            client,
            next: Some(next),
            page: VecDeque::new(),
        }
    }

    /// Asks for so many models at a time, at most 1000; 0, as without this, means 100.
    pub fn page_size(mut self, size: i32) -> Self {
        if let Some(request) = &mut self.next {
            request.page_size = size;
        }
        self
    }

    /// Returns the next model; `None` after the last one, and after an error. To drop what
    /// this returns before it is ready loses no model.
    pub async fn next(&mut self) -> Option<Result<Model, Error>> {
        loop {
            if let Some(model) = self.page.pop_front() {
                return Some(Ok(model));
            }
            // Kept while the page is fetched: a caller may leave, and come back.
            let request = self.next.clone()?;
            let fetched = self.client.list_models(request).await;
            let request = self.next.take()?;
            let page = match fetched {
                Ok(page) => page,
                Err(error) => return Some(Err(error)),
            };
            self.page = page.models.into();
            if !page.next_page_token.is_empty() {
                self.next = Some(ListModelsRequest {
                    page_token: page.next_page_token,
                    ..request
                });
            }
        }
    }

    /// Reads to the end and returns them all.
    pub async fn collect(mut self) -> Result<Vec<Model>, Error> {
        let mut models = Vec::new();
        while let Some(model) = self.next().await {
            models.push(model?);
        }
        Ok(models)
    }
}
