// Package item has the nouns that everything else speaks in: an Item is the
// DynamoDB JSON that it arrived in, as bytes, and is never edited in place.
package item
