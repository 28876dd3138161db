//! Admission: what the user's object is asked before anything is sent to a provider, and what it grants.
//!
//! Always holds: nothing goes upstream without a reservation, unless the deployment is unmetered.
//! Absent on purpose: who serves the request (`chat`), and how it ends (`settle`).

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::value::RawValue;

use crate::api::chat::{AUTO, ChatRequest};
use crate::api::estimate::text_tokens;
use crate::config::model::Resolved;
use crate::config::price;
use crate::edge::account::Account;
use crate::edge::answer::Facts;
use crate::edge::caller::Caller;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::Inbound;
use crate::edge::objects::something_else;
use crate::edge::own_object::OwnObject;
use crate::edge::pump::WHOLE_MS;
use crate::edge::settle::{Ticket, Trail, Turn};
use crate::error::Result;
use crate::price::Rates;
use crate::provider::{Extras, Target};
use crate::question::Question;
use crate::user::command::{Begin, BeginThread, Begun, Estimate, Reservation};
use crate::user::private;
use crate::user::store::{self, KeySource};
use crate::user::{Command, Outcome};

/// A reservation outlives the longest answer by this, in ms, before the alarm settles it.
const RESERVATION_SLACK_MS: u64 = 60_000;
/// The path of a chat in the table of routes.
const CHAT: &str = "/v1/chat/completions";
/// What the ledger calls the model of a request that names none.
const DEFAULT_MODEL: &str = "default";

/// What admitting a request needs.
pub struct Admission<'a> {
    /// The request.
    pub inbound: &'a Inbound,
    /// Where it arrived.
    pub deployment: &'a Deployment,
    /// Who sent it.
    pub caller: &'a Caller,
    /// What the reservation is known by: the request's id, and a number after one that was settled before its answer came.
    pub request_id: String,
    /// The session it belongs to.
    pub session: String,
    /// The thread it belongs to, if there is one.
    pub thread: Option<String>,
}

/// A request that may go upstream.
pub struct Started {
    /// Settles it.
    pub ticket: Ticket,
    /// What the gateway adds to it.
    pub extras: Extras,
    /// What it holds, and of whom; `None` in an unmetered deployment.
    pub held: Option<(Rc<Account>, Reservation)>,
}

impl Admission<'_> {
    /// The one hop before the provider: admits, reserves, and brings the thread's history. `None` if the configuration is
    /// too old to say.
    ///
    /// # Errors
    /// The refusal, as the client is told.
    pub async fn begin(
        &self,
        chat: &ChatRequest<'_>,
        target: &Target,
        resolved: &Resolved<'_>,
        facts: &mut Facts,
    ) -> Result<Option<Started>> {
        let settings = &self.caller.project.snapshot.settings;
        let estimate = self.estimate(chat, target);
        let mut ticket = self.ticket(target, estimate.input);
        let mut extras = Extras {
            prepend: Vec::new(),
            system_prompt: settings.system_prompt.clone(),
            max_output: self.caller.capabilities().output(None),
            now_s: self.inbound.arrived_ms / 1000,
            private: Vec::new(),
        };
        if self.deployment.unmetered {
            return Ok(Some(Started { ticket, extras, held: None }));
        }
        let served = self.served(chat, resolved)?;
        facts.extend(warning(&served));
        let thread =
            self.thread.clone().map(|id| BeginThread { id, messages: messages(chat), window_tokens: self.window(&estimate, target) });
        let asked = self.command(chat.model.as_deref().unwrap_or(if chat.auto { AUTO } else { DEFAULT_MODEL }), served, estimate);
        let calls = private::calls(chat.messages.iter().map(|message| message.raw));
        let command = Begin { thread, calls, stream: chat.stream, ..asked };
        let limits = command.limits;
        let thread_id = command.thread.as_ref().map(|thread| thread.id.clone());
        let Some(begun) = self.admit(command, facts).await? else { return Ok(None) };
        ticket.input_estimate = begun.reservation.input;
        extras.prepend = begun.prepend;
        extras.private = begun.private;
        extras.max_output = self.caller.capabilities().output(begun.reservation.max_output);
        ticket.seq = Some(begun.reservation.seq);
        ticket.turn = thread_id.zip(begun.base).map(|(id, base)| Turn { id, base, messages: messages(chat) });
        let account = Account {
            own: OwnObject::of(self.inbound, self.caller),
            request_id: ticket.request_id.clone(),
            limits,
            input_estimate: ticket.input_estimate,
        };
        Ok(Some(Started { ticket, extras, held: Some((Rc::new(account), begun.reservation)) }))
    }

    /// The same for a question: no thread, no stream, no output, and only what the question itself counts.
    ///
    /// # Errors
    /// The refusal, as the client is told.
    pub async fn begin_question(
        &self,
        question: &dyn Question,
        target: &Target,
        resolved: &Resolved<'_>,
        facts: &mut Facts,
    ) -> Result<Option<Ticket>> {
        let tokens = question.tokens();
        let mut ticket = Ticket { route: question.route(), ..self.ticket(target, tokens) };
        if self.deployment.unmetered {
            return Ok(Some(ticket));
        }
        let served = served(resolved, question.rates(&self.caller.project.snapshot.settings, resolved)?);
        facts.extend(warning(&served));
        let estimate = Estimate { input: tokens, output: Some(0), output_default: 0, choices: 1 };
        let command = self.command(question.model().unwrap_or(DEFAULT_MODEL), served, estimate);
        let Some(begun) = self.admit(command, facts).await? else { return Ok(None) };
        ticket.seq = Some(begun.reservation.seq);
        Ok(Some(ticket))
    }

    /// What the user's object is asked, of a request that has no thread and no stream.
    fn command(&self, asked: &str, served: store::Served, estimate: Estimate) -> Begin {
        Begin {
            request_id: self.request_id.clone(),
            session_id: self.session.clone(),
            thread: None,
            calls: Vec::new(),
            model: asked.to_owned(),
            model_served: served.model_served,
            provider: served.provider,
            key_source: served.key_source,
            rates: served.rates,
            limits: self.caller.limits(),
            estimate,
            project: self.caller.terms(),
            stream: false,
            thresholds: self.caller.thresholds().to_vec(),
            ttl_ms: WHOLE_MS + RESERVATION_SLACK_MS,
            roll_up_ms: self.deployment.roll_up_ms,
            pass: None,
        }
    }

    /// Who serves a chat, and at what prices.
    ///
    /// # Errors
    /// 400 for a model without a price, if the project refuses those.
    pub fn served(&self, chat: &ChatRequest<'_>, resolved: &Resolved<'_>) -> Result<store::Served> {
        let rates = price::rates(&self.caller.project.snapshot.settings, resolved)?;
        // A thread's history may ask for it as well.
        let hours = self.thread.is_some() || caches_for_an_hour(chat);
        Ok(served(resolved, if hours { rates } else { rates.map(Rates::without_hours) }))
    }

    /// What a chat may cost at most at this target, in tokens.
    pub fn estimate(&self, chat: &ChatRequest<'_>, target: &Target) -> Estimate {
        let system_prompt = self.caller.project.snapshot.settings.system_prompt.as_deref();
        let (_, model) = target.limits();
        let most = self.caller.capabilities().output(Some(model)).unwrap_or(model);
        Estimate {
            input: chat.prompt_tokens_estimate() + system_prompt.map_or(0, |prompt| text_tokens(prompt.len())),
            output: chat.max_output.map(|max| max.saturating_mul(chat.n)),
            output_default: most.saturating_mul(chat.n),
            choices: chat.n,
        }
    }

    async fn admit(&self, command: Begin, facts: &mut Facts) -> Result<Option<Begun>> {
        match OwnObject::of(self.inbound, self.caller).once(&Command::Begin(command), false).await? {
            Outcome::Begun(mut begun) => {
                facts.extend(self.caller.limit_headers(std::mem::take(&mut begun.rate)));
                Ok(Some(begun))
            }
            Outcome::Refused(refused) => {
                facts.extend(self.caller.limit_headers(refused.rate));
                Err(refused.refusal.error())
            }
            Outcome::Stale { .. } => Ok(None),
            _ => Err(something_else()),
        }
    }

    fn ticket(&self, target: &Target, input_estimate: u64) -> Ticket {
        Ticket {
            env: self.inbound.env.clone(),
            project_id: self.caller.project_id().to_owned(),
            uid: self.caller.uid().to_owned(),
            request_id: self.request_id.clone(),
            route: CHAT,
            trail: Rc::new(RefCell::new(Trail { provider: target.provider.clone(), model: target.model.clone(), ..Trail::default() })),
            seq: None,
            input_estimate,
            watch: self.caller.watch(),
            turn: None,
            arrived_ms: self.inbound.arrived_ms,
            costs: self.inbound.costs.clone(),
        }
    }

    /// Tokens of history that fit: the model's context less prompt and reply, or what the project says.
    fn window(&self, estimate: &Estimate, target: &Target) -> u64 {
        let (context, _) = target.limits();
        let fits = context
            .saturating_sub(estimate.input)
            .saturating_sub(estimate.output.unwrap_or(estimate.output_default) / estimate.choices.max(1));
        self.caller.project.snapshot.settings.memory.window.map_or(fits, |window| fits.min(window.get()))
    }
}

fn served(resolved: &Resolved<'_>, rates: Option<Rates>) -> store::Served {
    store::Served {
        provider: resolved.provider.to_owned(),
        model_served: resolved.served_model().to_owned(),
        key_source: if resolved.config.is_platforms() { KeySource::Platform } else { KeySource::Byok },
        rates,
    }
}

/// The warning of a model that counts as free because nobody knows its price.
pub fn warning(served: &store::Served) -> Option<(&'static str, String)> {
    served.rates.is_none().then(|| ("x-behest-warning", price::UNPRICED.to_owned()))
}

/// Whether the request may ask the provider to keep a part of it in a cache for an hour (Anthropic's `ttl`).
fn caches_for_an_hour(chat: &ChatRequest<'_>) -> bool {
    chat.object().iter().any(|(_, value)| value.get().contains("\"1h\""))
}

/// The client's messages, bytes as they are.
fn messages(chat: &ChatRequest<'_>) -> Vec<Box<RawValue>> {
    chat.messages.iter().map(|message| message.raw.to_owned()).collect()
}
