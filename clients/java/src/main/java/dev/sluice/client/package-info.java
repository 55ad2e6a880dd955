/**
 * The client of a Sluice gateway. {@link dev.sluice.client.Client} is where it begins; requests,
 * messages and events are the generated types of {@code dev.sluice.v1}.
 *
 * <p>Nothing here takes or returns null; what may be absent is an {@link java.util.Optional}.
 */
package dev.sluice.client;
