//! The outbox: jobs that a transaction enqueued and that run after it, at least once; and the tasks that run on a
//! schedule.
//!
//! A new kind of job is a variant of [`Work`] and an arm of `perform` that calls a function in a file of its own. The
//! function reads whether the job still makes sense, runs it, and returns an [`Outcome`]. Because a job may run twice,
//! running it again must do no harm.

pub mod mail;
pub mod matching;
mod purge;
mod visits;
mod webhooks;
mod worker;

use std::{sync::Arc, time::Duration};

use crate::{
    Result,
    app::App,
    domain,
    store::jobs::{Job, Queue, Work},
};

/// The result of an attempt at a job.
#[derive(Debug)]
pub enum Outcome {
    Done,
    /// The job is not needed any more: its subject was deleted, or its recipient has opted out.
    Obsolete,
    /// The job is attempted again after this delay. Unlike a failure, this has no end: the job itself limits it.
    RetryAfter(Duration),
    /// The attempt failed and is retried with a backoff. The reason is for the log: it holds no address, no text of
    /// people and no secret.
    Failed(String),
}

/// Runs the queues and the scheduled tasks until the server stops. Calls to other people's servers have a queue of
/// their own, so that a slow one delays no mail.
pub async fn run(app: Arc<App>) {
    worker::release_claims(&app).await;
    tokio::join!(
        worker::run(&app, Queue::Internal),
        worker::run(&app, Queue::Outbound),
        purge::run(&app),
        visits::run(&app)
    );
}

async fn perform(app: &App, job: &Job) -> Result<Outcome> {
    match &job.work {
        Work::MentionMail { peep, to } => mail::mention::send(app, job.id, *peep, *to).await,
        Work::PairMail { conversation, to } => mail::pair::send(app, job.id, *conversation, *to).await,
        Work::WebhookMail { webhook } => mail::webhook::send(app, job.id, *webhook).await,
        Work::LetterMail { letter } => mail::contact::send(app, job.id, *letter).await,
        Work::CallWebhook { delivery } => webhooks::deliver(app, *delivery).await,
        Work::ClearConversations => {
            while app.db.write(domain::conversations::clear_deleted).await? {}
            Ok(Outcome::Done)
        }
        Work::ForgetMatch { conversation } => {
            let id = *conversation;
            app.db.write(move |tx| domain::matches::delete_talk(tx, id)).await?;
            Ok(Outcome::Done)
        }
        Work::DeleteFiles { files } => {
            for file in files {
                app.files.delete(*file).await?;
            }
            Ok(Outcome::Done)
        }
    }
}
