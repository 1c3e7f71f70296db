//! Tasks that are named, tracked and joined.

use std::collections::BTreeMap;

use tokio::task::{Id, JoinSet};

/// Running tasks.
#[derive(Default)]
pub(super) struct Crew {
    tasks: JoinSet<()>,
    names: BTreeMap<Id, &'static str>,
}

/// A task that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) name: &'static str,
    pub(super) how: How,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// By itself.
    Done,
    /// By a panic; its message went to standard error.
    Panicked,
}

impl Crew {
    pub(super) fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// The next task that ends; waits for ever where there is none.
    pub(super) async fn ended(&mut self) -> Ended {
        let (id, how) = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => (id, How::Done),
            Some(Err(error)) => (error.id(), How::Panicked),
            None => std::future::pending().await,
        };
        Ended { name: self.names.remove(&id).unwrap_or("unnamed"), how }
    }

    /// Waits until every task has ended.
    pub(super) async fn all_ended(&mut self) {
        while !self.names.is_empty() {
            self.ended().await;
        }
    }

    /// The names of the tasks that run.
    pub(super) fn running(&self) -> Vec<&'static str> {
        self.names.values().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_is_named_with_how_it_did() {
        let mut crew = Crew::default();
        crew.start("waits", std::future::pending());
        crew.start("ends", async {});
        assert_eq!(crew.ended().await, Ended { name: "ends", how: How::Done });
        crew.start("breaks", async { panic!("on purpose") });
        assert_eq!(crew.ended().await, Ended { name: "breaks", how: How::Panicked });
        assert_eq!(crew.running(), ["waits"]);
    }
}
