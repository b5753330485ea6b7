// Wallets that log in: each signs the challenge of a client session with the
// library that its makers use. It reads {url, origin, client, secret, wallet, at,
// port, user} and prints what it got.
//
// The wallet "contract" is a contract on a chain that listens at port, an
// EIP-1271 wallet of one owner, whose responses are viem's reading of the calls.
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { Keypair } from '@solana/web3.js';
import bs58 from 'bs58';
import { Wallet as EthersWallet, verifyMessage as ethersVerifies } from 'ethers';
import * as ripple from 'ripple-keypairs';
import nacl from 'tweetnacl';
import { decodeFunctionData, encodeFunctionResult, hashMessage, parseAbi, parseSignature, recoverAddress, serializeCompactSignature, signatureToCompactSignature } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { parseSiweMessage, validateSiweMessage } from 'viem/siwe';
import { Web3 } from 'web3';
import xrpl from 'xrpl';

const { url, origin, client, secret, wallet: kind, at, port, user } = await json(process.stdin);

const hex = (text) => Buffer.from(text, 'utf8').toString('hex');

// viemWallet gives its signatures through shape.
function viemWallet(shape) {
  const account = privateKeyToAccount(generatePrivateKey());
  return {
    type: 'EVM', address: account.address, chainId: 1,
    sign: async (message) => ({ signature: shape(await account.signMessage({ message })) }),
  };
}

function solanaWallet(encode) {
  const key = Keypair.generate();
  return {
    type: 'SOLANA', address: key.publicKey.toBase58(),
    sign: async (message) => ({ signature: encode(nacl.sign.detached(Buffer.from(message, 'utf8'), key.secretKey)) }),
  };
}

function xrplWallet(algorithm) {
  const key = xrpl.Wallet.generate(algorithm);
  return {
    type: 'XRPL', address: key.classicAddress,
    sign: async (message) => ({ signature: ripple.sign(hex(message), key.privateKey), publicKey: key.publicKey }),
  };
}

// A Ledger signs the text behind the header of an off-chain message.
function ledgerWallet() {
  const key = Keypair.generate();
  return {
    type: 'SOLANA', address: key.publicKey.toBase58(), chainId: 'solana:mainnet',
    async sign(text) {
      const message = Buffer.from(text, 'utf8');
      const size = Buffer.alloc(2);
      size.writeUInt16LE(message.length);
      const header = [Buffer.from([0xff]), Buffer.from('solana offchain'), Buffer.from([0]), Buffer.alloc(32), Buffer.from([1, 1]), key.publicKey.toBuffer(), size];
      return { signature: bs58.encode(nacl.sign.detached(Buffer.concat([...header, message]), key.secretKey)) };
    },
  };
}

// Xaman signs transactions only: a SignIn, which has no type on the ledger.
function xamanWallet() {
  const key = xrpl.Wallet.generate();
  return {
    type: 'XRPL', address: key.classicAddress, chainId: 'mainnet',
    async sign(text) {
      const tx = { Account: key.classicAddress, SigningPubKey: key.publicKey, Memos: [{ Memo: { MemoData: hex(text).toUpperCase() } }] };
      const TxnSignature = ripple.sign(xrpl.encodeForSigning(tx), key.privateKey);
      return { signature: xrpl.encode({ ...tx, TxnSignature }) };
    },
  };
}

function ethersWallet() {
  const key = EthersWallet.createRandom();
  return {
    type: 'EVM', address: key.address.toLowerCase(), chainId: 'eip155:1',
    async sign(message) {
      const signature = await key.signMessage(message);
      if (ethersVerifies(message, signature) !== key.address) throw new Error('ethers does not verify its own signature');
      return { signature };
    },
  };
}

// web3.js in a signing callback of a page, whose backend names the network.
function web3Wallet() {
  const web3 = new Web3();
  const { address, privateKey } = web3.eth.accounts.create();
  const signingCallback = async (challenge) => {
    let sign = web3.eth.accounts.sign(challenge, privateKey);
    return { signature: sign.signature };
  };
  return { type: 'EVM', network: 'ETHEREUM', address, sign: signingCallback };
}

// A contract that takes its owner's signature with a byte before it.
const abi = parseAbi(['function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)']);

async function contractWallet() {
  const owner = privateKeyToAccount(generatePrivateKey());
  const address = privateKeyToAccount(generatePrivateKey()).address; // of a contract, with no key that anybody uses
  const chain = createServer(async (request, response) => {
    const call = await json(request);
    const [{ to, data }, block] = call.params;
    if (call.method !== 'eth_call' || to !== address || block !== 'latest') throw new Error(`called ${JSON.stringify(call)}`);
    const { args: [hash, signature] } = decodeFunctionData({ abi, data });
    const signer = await recoverAddress({ hash, signature: `0x${signature.slice(4)}` }).catch(() => undefined);
    const yes = signature.startsWith('0x07') && signer === owner.address;
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({
      jsonrpc: '2.0', id: call.id,
      result: encodeFunctionResult({ abi, functionName: 'isValidSignature', result: yes ? '0x1626ba7e' : '0xffffffff' }),
    }));
  });
  await new Promise((listening) => chain.listen(port, '127.0.0.1', listening));
  return {
    type: 'EVM', address, chainId: 10, chain,
    sign: async (message) => ({ signature: `0x07${(await owner.signMessage({ message })).slice(2)}` }),
  };
}

const wallets = {
  'viem': () => viemWallet((s) => s),
  'viem compact': () => viemWallet((s) => serializeCompactSignature(signatureToCompactSignature(parseSignature(s)))),
  'ethers': ethersWallet,
  'web3': web3Wallet,
  'solana base58': () => solanaWallet((s) => bs58.encode(s)),
  'solana base64': () => solanaWallet((s) => Buffer.from(s).toString('base64')),
  'xrpl secp256k1': () => xrplWallet(xrpl.ECDSA.secp256k1),
  'xrpl Ed25519': () => xrplWallet(xrpl.ECDSA.ed25519),
  'ledger': ledgerWallet,
  'xaman': xamanWallet,
  'contract': contractWallet,
};

async function post(path, body, headers) {
  const form = body instanceof URLSearchParams;
  const response = await fetch(url + path, {
    method: 'POST', body: form ? body : JSON.stringify(body),
    headers: form ? headers : { 'Content-Type': 'application/json', ...headers },
  });
  return { status: response.status, ...(await response.json()) };
}

const wallet = await wallets[kind]();
const basic = { Authorization: `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}` };

// The backend.
const opened = await post('/v1/clients/session',
  {
    signingAddress: wallet.address, depositAddress: wallet.address, externalUserId: user,
    ...(wallet.network ? { signingNetwork: wallet.network } : { signingType: wallet.type }),
  },
  { 'acme-client-id': client, 'acme-client-secret': secret });

// The page.
const page = { 'X-Client-Session-Id': opened.id, Origin: origin };
async function start() {
  const started = await post('/v1/auth/cryptoWallet:start',
    { walletAddress: wallet.address, walletType: wallet.type, chainId: wallet.chainId }, page);
  if (!started.challenge) throw new Error(`started ${JSON.stringify(started)} in ${JSON.stringify(opened)}`);
  return started;
}

async function authenticate(challenge, proof) {
  if (at === 'JSON endpoint') {
    return post('/v1/auth/cryptoWallet:authenticate',
      { walletAddress: wallet.address, walletType: wallet.type, challengeId: challenge.challengeId, ...proof }, page);
  }
  const token = { challengeId: challenge.challengeId, walletAddress: wallet.address, ...proof };
  return post('/oauth/token', new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: 'urn:cambio:token-type:wallet-signature',
    subject_token: Buffer.from(JSON.stringify(token)).toString('base64url'),
  }), basic);
}

const first = await start();
const forged = await authenticate(first, await wallet.sign(`${first.challenge} `));
const started = await start();
const replaced = await authenticate(first, await wallet.sign(first.challenge));
const proof = await wallet.sign(started.challenge);
const granted = await authenticate(started, proof);
const again = await authenticate(started, proof);

const siwe = wallet.type === 'EVM' && parseSiweMessage(started.challenge);
wallet.chain?.close();
wallet.chain?.closeAllConnections();
console.log(JSON.stringify({
  address: wallet.address, opened, started, forged, replaced, granted, again,
  siwe: siwe && {
    address: siwe.address, domain: siwe.domain, uri: siwe.uri, statement: siwe.statement, chainId: siwe.chainId,
    valid: validateSiweMessage({ message: siwe, domain: siwe.domain, nonce: siwe.nonce, address: siwe.address }),
    hash: hashMessage(started.challenge),
  },
}));
