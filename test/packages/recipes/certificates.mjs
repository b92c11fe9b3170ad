// A certificate authority that lives for a test, and the certificates that it gives out.
import { createCA, createCert } from 'mkcert';

const VALIDITY_DAYS = 2;

export async function inventAuthority() {
  const ca = await createCA({
    organization: 'Invented',
    countryCode: 'US',
    state: 'None',
    locality: 'None',
    validity: VALIDITY_DAYS,
  });
  return { ca, certify: (...domains) => createCert({ ca, domains, validity: VALIDITY_DAYS }) };
}
