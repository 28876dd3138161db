//! RS256 by the platform: no pure implementation signs with a private key in time that tells nothing of it.
//!
//! Always holds: a key is imported for one use and cannot be taken out again.

use js_sys::{Array, Object, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto, WorkerGlobalScope};

use crate::edge::headers::record;
use crate::error::{Error, Result};

/// The signature of `data` with a private key in PKCS#8.
///
/// # Errors
/// A server error if the key is none.
pub async fn sign(pkcs8: &[u8], data: &[u8]) -> Result<Vec<u8>> {
    let signature = async {
        let key = import(pkcs8).await?;
        let promise = subtle()?.sign_with_object_and_js_u8_array(&algorithm()?, &key, &Uint8Array::from(data))?;
        Ok::<_, JsValue>(Uint8Array::new(&JsFuture::from(promise).await?).to_vec())
    };
    signature.await.map_err(|_| Error::server("a service account's key does not sign"))
}

/// Whether this is a private key that can sign.
pub async fn is_key(pkcs8: &[u8]) -> bool {
    import(pkcs8).await.is_ok()
}

async fn import(pkcs8: &[u8]) -> Result<CryptoKey, JsValue> {
    let (bytes, uses) = (Uint8Array::from(pkcs8), Array::of1(&"sign".into()));
    let promise = subtle()?.import_key_with_object("pkcs8", &bytes, &algorithm()?, false, &uses)?;
    JsFuture::from(promise).await?.dyn_into()
}

fn subtle() -> Result<SubtleCrypto, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    Ok(scope.crypto()?.subtle())
}

fn algorithm() -> Result<Object, JsValue> {
    record([("name", "RSASSA-PKCS1-v1_5"), ("hash", "SHA-256")].into_iter())?.dyn_into()
}
