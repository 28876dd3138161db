//! Several statements, all or none: the platform's synchronous transaction.

use js_sys::{Array, Function, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use worker::{SqlStorage, SqlStorageValue, State};

/// Statements and their values.
pub type Batch = Vec<(&'static str, Vec<SqlStorageValue>)>;

/// The way to write to an object's SQLite.
pub struct Transactions {
    sql: SqlStorage,
    storage: JsValue,
}

impl Transactions {
    /// Those of this object.
    pub fn new(state: &State) -> Self {
        let storage = state.storage();
        Self { sql: storage.sql(), storage: JsValue::from(storage.as_raw()) }
    }

    /// Runs a batch and gives the rows written, as the platform counts them.
    ///
    /// # Errors
    /// The platform's words; then nothing of it was done, or nobody knows.
    pub fn run(&self, mut batch: Batch) -> Result<u64, String> {
        let sql = self.sql.clone();
        if batch.len() == 1 {
            return execute(&sql, &mut batch).map_err(|e| e.to_string());
        }
        self.all_or_none(move || execute(&sql, &mut batch)).map_err(|thrown| said(&thrown))
    }

    /// Runs `body`: a throw inside takes everything back.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count that was a u32")]
    fn all_or_none(&self, mut body: impl FnMut() -> worker::Result<u64> + 'static) -> Result<u64, JsValue> {
        let run = Closure::<dyn FnMut() -> Result<JsValue, JsValue>>::new(move || {
            let rows = body().map_err(|e| JsValue::from_str(&e.to_string()))?;
            Ok(JsValue::from(u32::try_from(rows).unwrap_or(u32::MAX)))
        });
        let method: Function = Reflect::get(&self.storage, &"transactionSync".into())?.unchecked_into();
        let rows = method.call1(&self.storage, run.as_ref())?;
        Ok(rows.as_f64().map_or(0, |n| n as u64))
    }
}

/// Runs each statement and counts the rows written.
fn execute(sql: &SqlStorage, batch: &mut Batch) -> worker::Result<u64> {
    let mut rows = 0;
    for (text, binds) in std::mem::take(batch) {
        rows += sql.exec(text, binds)?.rows_written() as u64;
    }
    Ok(rows)
}

fn said(thrown: &JsValue) -> String {
    format!("{:?}", thrown.as_string().unwrap_or_else(|| Array::of1(thrown).join(",").into()))
}
