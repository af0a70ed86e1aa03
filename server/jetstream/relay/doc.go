// Package relay is what servers with JetStream say to each other so that a request is
// answered by who can: requests that are passed on, questions between servers, and
// their answers. It encodes and decodes, and decides nothing.
//
//	            front                         leader of the assets            leader of the asset
//	client ──▶ takes the request ──Request──▶ decides, proposes ──Request──▶ answers the client
//	                                                               (Made)
//	any server ──Proposal──▶ leader of the assets ──Outcome──▶
//	front ──Look──▶ leaders of assets ──a response of the API──▶
//	front ──Tally──▶ all servers ──Usage──▶
//
// They travel as messages in the system account; who hears them and where answers go is
// the subject's business. What decoding returns refers to what was decoded; nothing is
// larger than that. The bytes are in docs/formats/forwarded-request.md.
package relay
