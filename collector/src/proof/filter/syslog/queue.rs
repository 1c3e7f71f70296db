//! Alerts between those who hear them and whoever brings them in: two queues, so that noise never keeps a grave one out.

use tokio::sync::mpsc::{self, Receiver};

use crate::proof::filter::Alert;

/// Alerts that each of the two holds at most.
const HELD: usize = 5_000;
/// Brought in together at most.
const AT_ONCE: usize = 256;

/// Takes alerts. Clones put into the same queues.
#[derive(Clone)]
pub(super) struct Sender {
    grave: mpsc::Sender<Alert>,
    others: mpsc::Sender<Alert>,
}

/// Gives them out, grave ones first.
pub(super) struct Waiting {
    grave: Receiver<Alert>,
    others: Receiver<Alert>,
}

/// Both ends.
pub(super) fn queue() -> (Sender, Waiting) {
    let ((grave, waits), (others, wait)) = (mpsc::channel(HELD), mpsc::channel(HELD));
    (Sender { grave, others }, Waiting { grave: waits, others: wait })
}

impl Sender {
    fn of(&self, alert: &Alert) -> &mpsc::Sender<Alert> {
        if alert.is_grave() { &self.grave } else { &self.others }
    }

    /// Queues an alert; `false` where there is no room.
    pub(super) fn try_send(&self, alert: Alert) -> bool {
        self.of(&alert).try_send(alert).is_ok()
    }

    /// Queues an alert once there is room.
    pub(super) async fn send(&self, alert: Alert) {
        // Nobody takes them any more: the collector ends.
        let _ = self.of(&alert).send(alert).await;
    }
}

impl Waiting {
    /// The next alert; `None` once nobody can queue one any more and all were given out.
    pub(super) async fn next(&mut self) -> Option<Alert> {
        tokio::select! {
            biased;
            Some(alert) = self.grave.recv() => Some(alert),
            Some(alert) = self.others.recv() => Some(alert),
            else => None,
        }
    }

    /// Adds what is queued to `alerts`, as many as are brought in together.
    pub(super) fn gather(&mut self, alerts: &mut Vec<Alert>) {
        while !is_full(alerts)
            && let Some(alert) = self.grave.try_recv().ok().or_else(|| self.others.try_recv().ok())
        {
            alerts.push(alert);
        }
    }
}

/// Whether no more than these are brought in together.
pub(super) const fn is_full(alerts: &[Alert]) -> bool {
    alerts.len() >= AT_ONCE
}
