// An authorization server that others wrote (npm oidc-provider), driven over stdin and stdout in JSON lines.
//
//   in   the first line: options {token_lifetime, scopes, resources, dpop, api}, all of them optional; `dpop` is
//        {require_nonce}, and `api` {audience, require_nonce}: an API beside it, for DPoP tokens of that resource
//        each further line: a client's metadata (RFC 7591); a known client_id is replaced
//        or {"nonces": "forgotten"}: others from now on; {"nonces": "next"}: those of a minute later, as time has it
//   out  {"event": "ready", "issuer", "api"}       once it listens, on free ports of 127.0.0.1
//        {"event": "registered", "client_id"}
//        {"event": "granted", "client_id", "scope", "expires_in", "token_type"}
//        {"event": "refused", "client_id", "error", "error_description", "detail"}, where `detail` is the reason
//        that the server keeps to itself
//        {"event": "nonces"}                           they are others now
//        {"event": "called", "client_id", "method", "path"}, {"event": "turned_away", "method", "path", "detail"}
//        what became of a request to the API
//
// It ends when stdin does, so that it never outlives the test that started it.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import * as oauth from 'oauth4webapi';
import Provider, { errors } from 'oidc-provider';

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const KEPT = 100_000; // the library's own store forgets a used jti after 1,000 further entries

const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
console.info = console.warn; // the library's notices; stdout is ours

const kept = new Map(); // `${model}:${id}` -> {payload, expires}, oldest first

class Adapter {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async find(id) {
    const entry = kept.get(this.key(id));
    return entry && entry.expires > Date.now() ? entry.payload : undefined;
  }

  async upsert(id, payload, lifetime = Infinity) {
    kept.delete(this.key(id));
    kept.set(this.key(id), { payload, expires: Date.now() + lifetime * 1000 });
    for (const [key, { expires }] of kept) {
      if (kept.size <= KEPT && expires > Date.now()) break;
      if (expires !== Infinity) kept.delete(key); // a client stays
    }
  }

  async destroy(id) {
    kept.delete(this.key(id));
  }
}

const clients = new Adapter('Client');

function register(metadata) {
  clients.upsert(metadata.client_id, {
    token_endpoint_auth_method: 'private_key_jwt',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    ...metadata,
  });
  tell({ event: 'registered', client_id: metadata.client_id });
}

const listening = (http) => new Promise((resolve) => {
  http.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${http.address().port}`));
});

let renew = () => {};
let apiNonce = randomBytes(16).toString('hex');

async function start(options) {
  const http = createServer((request, response) => callback(request, response));
  const issuer = await listening(http);
  const keys = signingKeys();
  let callback;
  renew = () => {
    callback = provided(issuer, configuration(options, keys)).callback();
  };
  renew();
  const api = options.api ? await listening(createServer(protectedBy(issuer, options.api))) : '';
  tell({ event: 'ready', issuer, api });
}

function provided(issuer, settings) {
  const provider = new Provider(issuer, settings);
  provider.on('grant.success', ({ oidc, body: { scope, expires_in, token_type } }) => {
    tell({ event: 'granted', client_id: oidc.client.clientId, scope, expires_in, token_type });
  });
  provider.on('grant.error', ({ oidc }, { error, error_description, error_detail }) => {
    const client_id = oidc.client?.clientId ?? oidc.params?.client_id;
    tell({ event: 'refused', client_id, error, error_description, detail: error_detail });
  });
  provider.on('server_error', (_, error) => {
    tell({ event: 'refused', error: 'server_error', detail: error.stack });
  });
  return provider;
}

// The API. Token and proof are judged by oauth4webapi (RFC 9068, RFC 9449 sections 4.3 and 7); that a proof is used
// once, and its nonce (sections 9 and 11.1), are the API's own to remember.
function protectedBy(issuer, { audience, require_nonce = false }) {
  const as = { issuer, jwks_uri: `${issuer}/jwks` };
  const used = new Set();
  const judge = async (request) => {
    const claims = await oauth.validateJwtAccessToken(as, request, audience, {
      requireDPoP: true,
      signingAlgorithms: ALGORITHMS,
      [oauth.allowInsecureRequests]: true,
      [oauth.jwksCache]: cache,
    });
    const { jti, nonce } = JSON.parse(Buffer.from(request.headers.get('dpop').split('.')[1], 'base64url'));
    if (used.has(jti)) throw new Error('the proof was used before');
    used.add(jti);
    if (require_nonce && nonce !== apiNonce) throw new Error('use_dpop_nonce');
    return claims.client_id;
  };
  const cache = {};
  return async ({ method, url, headers: { host, authorization, dpop } }, response) => {
    const [path] = url.split('?');
    const headers = Object.entries({ authorization, dpop }).filter(([, value]) => value);
    try {
      const client_id = await judge(new Request(`http://${host}${url}`, { method, headers }));
      tell({ event: 'called', client_id, method, path });
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('[]');
    } catch ({ message }) {
      tell({ event: 'turned_away', method, path, detail: message });
      const error = message === 'use_dpop_nonce' ? message : 'invalid_token';
      if (error === message) response.setHeader('DPoP-Nonce', apiNonce);
      response.writeHead(401, { 'WWW-Authenticate': `DPoP error="${error}"` }).end();
    }
  };
}

const now = Date.now;
let ahead = 0;
Date.now = () => now() + ahead; // what oidc-provider makes nonces of

function changeNonces(how) {
  if (how === 'next') ahead += 60_000;
  else renew();
  apiNonce = randomBytes(16).toString('hex');
  tell({ event: 'nonces' });
}

function signingKeys() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' }];
}

function configuration({ token_lifetime = 300, scopes = [], resources = {}, dpop = null }, keys) {
  return {
    adapter: Adapter,
    clientAuthMethods: ['private_key_jwt', 'client_secret_basic', 'client_secret_post'],
    cookies: { keys: [randomBytes(32).toString('hex')] },
    enabledJWA: { clientAuthSigningAlgValues: ALGORITHMS, dPoPSigningAlgValues: ALGORITHMS },
    extraClientMetadata: { properties: ['token_lifetime'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: {
        enabled: dpop !== null,
        nonceSecret: randomBytes(32),
        requireNonce: () => dpop?.require_nonce === true,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (ctx, resource) => {
          if (!(resource in resources)) throw new errors.InvalidTarget();
          return { audience: resource, ...resources[resource] };
        },
      },
    },
    fetch: (url, { dispatcher, ...init }) => fetch(url, init), // its dispatcher refuses loopback, where the tests' jwks_uri are
    jwks: { keys },
    scopes,
    ttl: { ClientCredentials: (ctx, token, client) => client.token_lifetime ?? token_lifetime },
  };
}

let heard = start;
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const message = JSON.parse(line);
    if (message.nonces) return changeNonces(message.nonces);
    heard(message);
    heard = register;
  })
  .on('close', () => process.exit());
