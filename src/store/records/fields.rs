//! What records have in common: the holder's fields, whole seconds with their fraction apart, unknown fields.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::moment::{Moment, fraction};
use crate::model::ids::{Timestamp, Uid};
use crate::model::reservation::Holder;

/// Reads an absent, null or unset time as `None`.
pub(super) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Moment::deserialize(deserializer).map(|moment| moment.0)
}

/// Whole seconds, as the Go program's scripts want them, and the nanoseconds that they cannot carry.
pub(super) fn split(at: Timestamp) -> (i64, Option<u32>) {
    (at.seconds(), Some(fraction(at)).filter(|nanos| *nanos != 0))
}

/// The inverse of [`split`]. A time that has a fraction of its own was written by somebody else since.
pub(super) fn join(at: Timestamp, nanos: Option<u32>) -> Timestamp {
    match nanos {
        Some(nanos) if fraction(at) == 0 && nanos < 1_000_000_000 => {
            Timestamp(at.0.saturating_add(nanos.into()))
        }
        _ => at,
    }
}

/// Finds the uid of an account name, or learns that there is none.
pub(in crate::store) trait Accounts {
    fn uid_of(&mut self, account: &str) -> Option<Uid>;
}

/// A holder as the fields of a record show it: `user` is for people, `actual_user` is the account.
#[derive(Debug, Default, Clone, Serialize)]
pub(super) struct Names {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) actual_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uid: Option<Uid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) login: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<String>,
}

impl Names {
    /// As this program writes them.
    pub(super) fn ours(holder: &Holder) -> Self {
        Self {
            user: Some(shown(holder)),
            actual_user: filled(&holder.account),
            uid: holder.uid,
            login: holder.login.as_deref().and_then(filled),
            label: holder.label.as_deref().and_then(filled),
        }
    }

    /// As the Go program writes them.
    pub(super) fn go(holder: &Holder) -> Self {
        Self { uid: None, login: None, label: None, ..Self::ours(holder) }
    }

    /// Of a record of ours: the uid is written down.
    pub(super) fn holder(self) -> Holder {
        let account = self.actual_user.or(self.user).unwrap_or_default();
        Holder { uid: self.uid, account, login: self.login, label: self.label }
    }

    /// Of a record of the Go program: the uid is looked up, the label is a `user` that is no account.
    pub(super) fn go_holder(self, accounts: &mut dyn Accounts) -> Holder {
        let user = self.user.filter(|name| !name.is_empty());
        let actual = self.actual_user.filter(|name| !name.is_empty());
        let account = actual.or_else(|| user.clone()).unwrap_or_else(|| "unknown".to_owned());
        let label = user.filter(|name| *name != account);
        Holder { uid: accounts.uid_of(&account), account, login: None, label }
    }
}

/// What `user` says. Never empty: to the Go program's scripts the field is what makes a GPU held.
fn shown(holder: &Holder) -> String {
    let named = holder.label.as_deref().and_then(filled).or_else(|| filled(&holder.account));
    named.unwrap_or_else(|| holder.uid.map_or_else(|| "unknown".to_owned(), |uid| format!("uid {uid}")))
}

/// A text that is written, or none: empty fields are left out.
pub(super) fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The text of `record`, with those fields of `original` that `known` does not list.
pub(super) fn with_unknown<R: Serialize>(record: &R, original: Option<&[u8]>, known: &[&str]) -> Vec<u8> {
    let mut fields = match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    if let Some(Ok(before)) = original.map(serde_json::from_slice::<Map<String, Value>>) {
        for (name, value) in before {
            if !known.contains(&name.as_str()) {
                fields.entry(name).or_insert(value);
            }
        }
    }
    Value::Object(fields).to_string().into_bytes()
}
