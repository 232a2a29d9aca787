// Fetches all `urls` of its input at once and returns the result of each; reports a finding for each server that answered.
import { report } from 'bailiwick:agent/findings@0.1.0';

async function fetched(url) {
    const answer = await fetch(url, { method: 'GET' });
    const text = await answer.text();
    report({ rule: 'answered', severity: 'info', title: 'A server answered', location: { uri: url, line: 0, column: 0 }, evidence: [], taxa: [], fingerprint: '' });
    return { status: answer.status, said: answer.headers.get('x-said'), text };
}

export const agent = {
    async run(input) {
        const { urls } = JSON.parse(input);
        if (!urls.length) {
            throw { code: 'nothing-to-do', message: 'no URLs were given' };
        }
        const settled = await Promise.allSettled(urls.map(fetched));
        return JSON.stringify(settled.map(({ value, reason }) => value ?? { error: reason.name }));
    },
};
