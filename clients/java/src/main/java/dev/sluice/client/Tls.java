package dev.sluice.client;

import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.util.Objects;

/** Whom a client trusts and who it is. Immutable; everything is PEM. */
public final class Tls {
  private static final Tls SYSTEM = new Tls(null, null, null);

  private final String authorities;
  private final String certificate;
  private final String key;

  private Tls(String authorities, String certificate, String key) {
    this.authorities = authorities;
    this.certificate = certificate;
    this.key = key;
  }

  /**
   * TLS with a server whose certificate is by one of the system's authorities.
   *
   * @return the setting
   */
  public static Tls system() {
    return SYSTEM;
  }

  /**
   * Trusts these authorities and no others.
   *
   * @param certificates their certificates
   * @return the setting with them
   */
  public Tls withAuthorities(String certificates) {
    return new Tls(Objects.requireNonNull(certificates), certificate, key);
  }

  /**
   * Says who the client is, for a server that asks (mutual TLS).
   *
   * @param certificate the client's certificate, with those between it and the authority
   * @param key its private key, not encrypted
   * @return the setting with them
   */
  public Tls withIdentity(String certificate, String key) {
    return new Tls(authorities, Objects.requireNonNull(certificate), Objects.requireNonNull(key));
  }

  ChannelCredentials credentials() {
    TlsChannelCredentials.Builder credentials = TlsChannelCredentials.newBuilder();
    try {
      if (authorities != null) {
        credentials.trustManager(stream(checked(authorities)));
      }
      if (certificate != null) {
        credentials.keyManager(stream(certificate), stream(PrivateKeys.pkcs8(key)));
      }
    } catch (IOException impossible) {
      throw new AssertionError("memory cannot fail to be read", impossible);
    }
    return credentials.build();
  }

  /**
   * Returns certificates as they are. Without this, grpc-java would take a text that has none, and
   * quote a text that is none, which may be a key that was mistaken for it.
   *
   * @throws IllegalArgumentException if they are none; it quotes nothing
   */
  private static String checked(String certificates) {
    boolean readable;
    try {
      readable =
          !CertificateFactory.getInstance("X.509")
              .generateCertificates(stream(certificates))
              .isEmpty();
    } catch (CertificateException unreadable) {
      readable = false;
    }
    if (!readable) {
      throw new IllegalArgumentException("the authorities are no certificates in PEM");
    }
    return certificates;
  }

  private static InputStream stream(String pem) {
    return new ByteArrayInputStream(pem.getBytes(StandardCharsets.UTF_8));
  }

  /** Tells what is set, and nothing of the key. */
  @Override
  public String toString() {
    return "Tls[authorities="
        + (authorities == null ? "system" : "own")
        + ", identity="
        + (certificate == null ? "none" : "…")
        + "]";
  }
}
