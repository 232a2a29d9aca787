//! Tells people that an act waits for them. What is told, and where, comes from room `service`, which reads configurations.

use std::collections::BTreeMap;

use broker::{NoticeMeans, Parcel};
use bytes::Bytes;
use gate::{ATTEMPTS_MAX, ApprovalState, Notice, NoticeAsk, NoticeDone};
use vault::Scrubber;
use vocabulary::{
    ApprovalId, Binding, Clock as _, Digest, Header, HttpResource, Method, NoticeChannel, NoticeEnd, NoticeTo, OpId, Resource, SafeText,
};

use crate::approval_view::ApprovalView;
use crate::err::RunError;
use crate::local_host::LocalHost;
use crate::order::NetworkOrder;
use crate::shown_request::{ShownRequest, shown_request};

/// An act about which people can decide, and what became of the notices about it.
#[derive(Clone, Debug)]
pub struct PendingNotice {
    /// Until when people can decide, in milliseconds since 1970, if the clock is not set.
    pub decide_by_ms: u64,
    /// The act.
    pub id: ApprovalId,
    /// What became of its notices, by channel.
    pub notices: BTreeMap<SafeText, Notice>,
    /// The act, as people see it.
    pub view: ApprovalView,
}

/// One notice.
///
/// SECURITY: this type can't be serialised. A host makes it from what is trusted in its home.
pub struct NoticeOrder {
    /// The act.
    pub approval: ApprovalId,
    /// The credential of the channel, if it has one.
    pub binding: Option<Binding>,
    /// The body, or the whole mail.
    pub body: Bytes,
    /// The channel.
    pub channel: NoticeChannel,
    /// The digest of what is to be approved.
    pub digest: Digest,
    /// The headers of a request, without those of the credential.
    pub headers: Vec<Header>,
    /// The name servers and the certificates that TLS trusts.
    pub network: NetworkOrder,
}

impl LocalHost {
    /// The acts about which people can decide, except those that `skip` names.
    pub fn pending_notices(&self, skip: &dyn Fn(ApprovalId, Digest) -> bool) -> Vec<PendingNotice> {
        let now = self.now_mark();
        self.inner.gate.with_ledger(|ledger| {
            let mut pending = Vec::new();
            for (run, open) in ledger.open_runs() {
                for (op, approval) in &open.approvals {
                    let id = ApprovalId { run, op: OpId(*op) };
                    if skip(id, approval.digest) || !matches!(approval.state(&now), ApprovalState::Pending { .. }) {
                        continue;
                    }
                    pending.push(PendingNotice {
                        decide_by_ms: approval.asked.at.saturating_add(approval.needs.decide_within_s.saturating_mul(1000)),
                        id,
                        notices: approval.notices.clone(),
                        view: ApprovalView::of(run, open, (*op, approval), &now),
                    });
                }
            }
            pending
        })
    }

    /// How many records the log has.
    pub fn record_size(&self) -> u64 {
        self.inner.journal.size()
    }

    /// Returns when everything that was recorded so far is durable.
    ///
    /// # Errors
    /// The record can't be written.
    pub async fn durable(&self) -> Result<(), RunError> {
        Ok(self.inner.journal.durable().await?)
    }

    /// The id of the log.
    pub fn log_id(&self) -> String {
        self.inner.journal.log().to_string()
    }

    /// The request of an act that is held back, as people see it, with stars in place of values of credentials: a value may have become known
    /// since people were asked. `None` if there is none, or if it can't be shown.
    ///
    /// # Errors
    /// The record can't be read.
    pub async fn shown_request(&self, id: ApprovalId, digest: Digest) -> Result<Option<ShownRequest>, RunError> {
        // What was appended last may not be in the files yet.
        self.inner.journal.durable().await?;
        let (reader, local, now_s) = (self.inner.journal.reader()?, self.vault().local().clone(), self.inner.clock.unix_ms() / 1000);
        let shown = tokio::task::spawn_blocking(move || {
            // SECURITY: what can't be searched is not shown.
            let values = local.live_values(now_s).ok();
            let Some(scrubber) = values.and_then(|values| Scrubber::new(values.iter()).ok()) else { return Ok(None) };
            let clean = |bytes: &[u8]| {
                let mut clean = bytes.to_vec();
                let _ = scrubber.scrub(&mut clean);
                clean
            };
            shown_request(&reader, id.run, digest, &clean)
        });
        Ok(shown.await.map_err(|_| RunError::TaskLost("reads the record"))??.and_then(Result::ok))
    }

    /// Makes one attempt to tell people. Its intent is durable before anything is sent. Returns how it ended, or `None` if there is nothing
    /// to tell any more.
    ///
    /// # Errors
    /// The record can't be written, or the network can't be used.
    pub async fn tell(&self, order: NoticeOrder) -> Result<Option<NoticeEnd>, RunError> {
        let NoticeOrder { approval, binding, body, channel, digest, headers, network } = order;
        let network = self.network(&network)?;
        let ask = NoticeAsk {
            approval,
            channel: SafeText::new(&channel.name, 64),
            credential: binding.as_ref().map(|binding| binding.name.clone()).unwrap_or_default(),
            digest,
            resource: resource(&channel.to),
        };
        let Some(permit) = self.inner.gate.notice_permit(&ask).await? else { return Ok(None) };
        let attempt = permit.ask().number;
        let parcel = match channel.to {
            NoticeTo::Http { addresses, url, .. } => Parcel::Http { addresses, binding: binding.map(Box::new), body, headers, url },
            NoticeTo::Mail { from, program, recipients } => Parcel::Mail { from, program, recipients, text: body },
        };
        let vault = self.vault();
        let means = NoticeMeans { network: &network, now_s: self.inner.clock.unix_ms() / 1000, vault: &vault };
        let done = broker::tell(permit, parcel, &means).await;
        let is_last = done.end == NoticeEnd::Again && attempt >= ATTEMPTS_MAX;
        let end = if is_last { NoticeEnd::GaveUp } else { done.end };
        if end != NoticeEnd::Delivered {
            tracing::warn!(%approval, channel = channel.name, attempt, detail = %done.detail, status = done.status, "people were not told");
        }
        self.inner.gate.notice_ended(&ask, attempt, NoticeDone { detail: done.detail, end, peer: done.peer, status: done.status })?;
        Ok(Some(end))
    }
}

/// Where a notice goes, for the record.
fn resource(to: &NoticeTo) -> Resource {
    match to {
        NoticeTo::Http { url, .. } => match Method::new("POST") {
            Ok(method) => Resource::Http(HttpResource::new(&method, url)),
            Err(_) => Resource::Words(SafeText::new(&url.redacted(), 512)),
        },
        NoticeTo::Mail { program, recipients, .. } => {
            Resource::Words(SafeText::new(&format!("mail to {} by {program}", recipients.join(", ")), 512))
        }
    }
}
