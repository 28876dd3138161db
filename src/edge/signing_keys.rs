//! The signing keys of a project: registers, makes, lists and removes them.
//!
//! Always holds: a private half that was made here is in that one answer and nowhere else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use js_sys::{Array, Reflect, Uint8Array};
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::CryptoKey;
use zeroize::Zeroizing;

use crate::auth::jwk::{self, PublicKey};
use crate::auth::jws::Algorithm;
use crate::config::SigningKey;
use crate::config::signing_key::{self, NewSigningKey, Request, Wanted};
use crate::edge::admin::{ask, check_id, list};
use crate::edge::answer::Answer;
use crate::edge::deployment::Deployment;
use crate::edge::inbound::Inbound;
use crate::edge::{clock, random, signature};
use crate::error::{Code, Error, Result};
use crate::project::Command;
use crate::route::Route;

/// A pair that was just made.
struct Pair {
    public: PublicKey,
    /// PKCS#8 in base64.
    private: Zeroizing<String>,
}

/// Serves the routes.
pub async fn serve(inbound: &mut Inbound, _deployment: &Deployment, route: Route) -> Result<Answer> {
    match route {
        Route::CreateSigningKey { id } => create(inbound, &id).await,
        Route::ListSigningKeys { id } => {
            let snapshot = ask(inbound, &id, &Command::Read).await?;
            Ok(list(&snapshot.signing_keys.values().map(SigningKey::view).collect::<Vec<_>>()))
        }
        Route::DeleteSigningKey { id, kid } => {
            ask(inbound, &id, &Command::DeleteSigningKey { kid }).await?;
            Ok(Answer::empty(204))
        }
        _ => Err(Error::new(Code::NotFound, "There is no such route.")),
    }
}

async fn create(inbound: &mut Inbound, id: &str) -> Result<Answer> {
    check_id(id)?;
    let request = inbound.json::<NewSigningKey>().await?.check()?;
    match &request.wanted {
        Wanted::Registered(key) => {
            let key = read(key, request.alg.as_deref()).await?;
            let key = keep(inbound, id, &request, key).await?;
            Ok(Answer::json(201, &key.view()))
        }
        Wanted::Made(alg) => {
            let pair = make(*alg).await?;
            let key = keep(inbound, id, &request, pair.public).await?;
            Ok(Answer::json(201, &shown_once(&key, *alg, &pair.private)))
        }
    }
}

/// A public key as it was sent: a JWK, or PEM.
async fn read(sent: &Value, alg: Option<&str>) -> Result<PublicKey> {
    let key = match sent {
        Value::String(text) => PublicKey::from_jwk(&signature::from_spki(&jwk::pem(text)?, alg).await?, alg)?,
        sent => PublicKey::from_jwk(sent, alg)?,
    };
    signature::check(&key).await?;
    Ok(key)
}

async fn keep(inbound: &Inbound, id: &str, request: &Request, key: PublicKey) -> Result<SigningKey> {
    let kid = match request.kid.clone().or(key.kid) {
        Some(kid) => kid,
        None => random::id(signing_key::KID_PREFIX)?,
    };
    signing_key::check_kid(&kid)?;
    let (name, alg) = (request.name.clone(), key.alg.name().to_owned());
    let key = SigningKey { kid, name, alg, jwk: key.jwk, created_at: clock::now_s(), revision: 0 };
    ask(inbound, id, &Command::PutSigningKey { key: Box::new(key.clone()) }).await?;
    Ok(key)
}

fn shown_once(key: &SigningKey, alg: Algorithm, private: &str) -> Value {
    let mut view = key.view();
    if let Some(fields) = view.as_object_mut() {
        fields.insert("private_key".to_owned(), signing_key::pem(private).into());
        // The SDKs sign with RS256 only.
        if alg == Algorithm::Rs256 {
            fields.insert("behest_key".to_owned(), signing_key::behest_key(private).into());
        }
    }
    view
}

async fn make(alg: Algorithm) -> Result<Pair> {
    let made = async {
        let uses = Array::of2(&"sign".into(), &"verify".into());
        let kind = pair_kind(alg).map_err(|_| JsValue::NULL)?;
        let subtle = signature::subtle()?;
        let pair = JsFuture::from(subtle.generate_key_with_object(&kind, true, &uses)?).await?;
        let half = |name: &str| Reflect::get(&pair, &name.into())?.dyn_into::<CryptoKey>();
        let bytes = JsFuture::from(subtle.export_key("pkcs8", &half("privateKey")?)?).await?;
        let der = Zeroizing::new(Uint8Array::new(&bytes).to_vec());
        Ok::<_, JsValue>((half("publicKey")?, Zeroizing::new(STANDARD.encode(der.as_slice()))))
    };
    let (public, private) = made.await.map_err(|_| Error::server("a pair of keys could not be made"))?;
    let jwk = signature::export(&public).await?;
    Ok(Pair { public: PublicKey::from_jwk(&jwk, Some(alg.name()))?, private })
}

/// What a pair is made of: RSA keys have 2,048 bits and the usual exponent.
fn pair_kind(alg: Algorithm) -> Result<js_sys::Object> {
    let kind = signature::object(&signature::kind(alg))?;
    if alg == Algorithm::Rs256 {
        let set = |name: &str, value: &JsValue| Reflect::set(&kind, &name.into(), value);
        let exponent = Uint8Array::from([1, 0, 1].as_slice());
        set("modulusLength", &JsValue::from(2_048))
            .and_then(|_| set("publicExponent", &exponent))
            .map_err(|_| Error::server("a pair of keys could not be asked for"))?;
    }
    Ok(kind)
}
