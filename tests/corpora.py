"""Tiny corpora in each source's own file format, with texts written for the tests."""

import gzip
from pathlib import Path

# name below data/ -> content
FILES: dict[str, str] = {
    "airline_sentiment/Tweets.csv": (
        "tweet_id,airline_sentiment,airline_sentiment_confidence,negativereason,airline,text,"
        "tweet_created\n"
        '1,negative,0.9,Late,Delta,"@Delta two hours\nlate &amp; counting",'
        "2015-02-24 11:35:52 -0800\n"
        "2,positive,0.4,,US Airways,@USAirways fine I guess,2015-02-24 11:36:00 -0800\n"
        "3,neutral,1.0,,American,@AmericanAir which gate is it?,2015-02-24 11:37:00 -0800\n"
    ),
    "twcs/twcs_union.csv.gz": (
        "tweet_id,author_id,inbound,created_at,text,response_tweet_id,in_response_to_tweet_id,"
        "source\n"
        "1,AcmeHelp,False,2017-10-31T22:10:47Z,@100 we are sorry,2,3,a\n"
        "2,100,True,2017-10-31T22:11:45Z,@777 @SpotifyCares it skips &gt; songs,,1,a\n"
        "3,,,,,,,b\n"
    ),
    "twcs/mixed_brands_inbound.csv": 'text\n"@hulu_support hello, anyone?"\nno handle here\n',
    "asapp_airlines/airlines_raw.csv.gz": (
        "first_tweet_id,tag,first_utterance,context\n"
        "7,UNK,<cust__  __company__ my bag is in Oslo with __cust__ __cust>,<rep__ sorry __rep>\n"
    ),
    **{
        f"tweetsumm/dialogues_with_text_{part}.csv": f"inputs,summaries\n{dialogue}"
        for part, dialogue in (
            (
                "train",
                '"my parcel is late <LINK> <BR> Hello! Which one? <BR> AmazonHelp the blue one '
                '<BR> Apple pie is nice. AL <BR>",He asks.\n',
            ),
            ("valid", '"SWHelp &amp; why? <BR>",He asks.\n'),
            ("test", ""),
        )
    },
    "ibm_customer_care/dev.json": (
        '[{"dialogHeader": {"company": "MojangSupport"}, "dialogContent": ['
        '{"client": "bo", "message": "it &amp; my world are gone", "tweet_ID": "5",'
        ' "datetime": "2020-04-01T17:31:32.000Z"},'
        '{"agent": "MojangSupport", "message": "Which world?"},'
        '{"client1": "al", "message": "mine too"}, {"client": "bo"}]}]'
    ),
    "ibm_customer_care/test.json": "[]",
    "uk_mobile/stream.csv.gz": (
        "Mobile Network,Tweet Created At,Tweet Text\n"
        "@EE,2019-12-04 08:05:14,@EE no signal &amp;amp; no reply\n"
    ),
    "uk_mobile/labelled.csv": (
        "Mobile Network,Tweet Created At,Tweet Text,Subject,Sentiment\n"
        "@ThreeUK,2019-12-04 08:05:14,@ThreeUK is down,Network,0\n"
        "@ThreeUK,2019-12-04 08:06:14,@ThreeUK is up,Network,1\n"
        "@ThreeUK,2019-12-04 08:07:14,@ThreeUK hm,Network,\n"
    ),
    "facebook_brand_posts/FB_posts_labeled.txt": (
        "postId\tmessage\tAppreciation\tComplaint\tFeedback\n"
        "8103318119_1\tlovely staff\t1\t0\t0\n"
        '8103318119_2\t"""so, """"new"""" prices?"""\t0\t1\t0\n'
        "broken line\n"
        "999_3\tdo you ship abroad?\t0\t0\t1\n"
    ),
    "crowdflower/judge-1377884607_tweet_product_company.csv": (
        "tweet_text,emotion_in_tweet_is_directed_at,emotion_described\n"
        "new tablet out today {link},iPad,No emotion toward brand or product\n"
        "maps are wrong again,Google,Negative emotion\n"
        "at the venue,,I can't tell\n"
    ),
    "crowdflower/Apple-Twitter-Sentiment-DFE.csv": (
        "sentiment,sentiment:confidence,date,text\n"
        "1,0.8,Mon Dec 01 19:30:03 +0000 2014,@Apple my cable broke\n"
        "5,0.5,Mon Dec 01 19:31:03 +0000 2014,@Apple nice shop\n"
        "\n0,1,,\n"
    ),
    "sanders/full-corpus.csv": (
        "Topic,Sentiment,TweetId,TweetDate,TweetText\n"
        "google,positive,5,Tue Oct 18 21:53:25 +0000 2011,love the new @google phone\n"
    ),
    "app_reviews/maalej_all.csv": (
        "reviewId,appId,dataSource,date,rating,title,comment,label\n"
        "1,,x,,5,So handy,I use it daily,Rating\n"
        "2,,x,,1,,Crashes\ton start,Bug\n"
        "3,,x,,3,Fair,Some things work,Rating\n"
    ),
    "complaints/complaints-data.csv": (
        "0,1,2,3\n11,@shop the zip broke on day one,1,apparel\n"
        "12,@shop do you open late?,0,retail\n"
    ),
    "complaints/X-CI.csv": (
        "id,tweet,label,domain,sentiment,emotion,Severity,Explain\n"
        "1,@shop the zip broke on day one,1,apparel,Negative,anger,2,zip\n"
    ),
    "complaints/uva_airlines_telecom.csv": (
        "text,complaint,industry\n@SouthwestAir lost my bag,1,airlines\ncheap flights,0,airlines\n"
    ),
    "tweeteval/sentiment/mapping.txt": "0\tnegative\n1\tneutral\n2\tpositive\n",
    "tweeteval/sentiment/val_text.txt": 'she said "never\nthe match is at 8\n',
    "tweeteval/sentiment/val_labels.txt": "0\n1\n",
    "tweeteval/sentiment/test_text.txt": "what a day at the fair\n",
    "tweeteval/sentiment/test_labels.txt": "2\n",
    "tweeteval/sentiment/train_rebuilt_from_semeval.tsv.gz": (
        'tweet_id\tlabel\ttext\tsource_file\n1\t2\t"great game tonight\ta.tsv\n'
    ),
    "tweeteval/emotion/mapping.txt": "0\tanger\n1\tjoy\n2\toptimism\n3\tsadness\n",
    "tweeteval/emotion/train_text.txt": "so angry at all this noise\n",
    "tweeteval/emotion/train_labels.txt": "0\n",
    "tweeteval/emotion/val_text.txt": "sunshine at last\n",
    "tweeteval/emotion/val_labels.txt": "1\n",
    "goemotions/labels.txt": "admiration\namusement\nanger\nneutral",
    "goemotions/train.tsv": (
        'He said "run\t3\tid1\nhow dare you\t2\tid2\nwow, well done\t0,1\tid3\n'
    ),
    "goemotions/dev.tsv": "",
    "goemotions/test.tsv": "broken line\n",
    "tweet_acts/TWEET_DATA.csv": '0,1\n"who, then?",QUE\nit rains,STM\n',
    "trec_is/trecis_priority_rawtext.csv.gz": (
        "split,event,tweet_id,created_at,text,priority,categories,match\n"
        "dataset,flood1,9,Wed Aug 01 12:02:53 +0000 2012,water is rising,High,\"['a', 'b']\","
        "exact\n"
    ),
    "semeval2018/V-reg/Valence-reg-En-train.txt": (
        "ID\tTweet\tAffect Dimension\tIntensity Score\n"
        'a\t"so good\tvalence\t0.800\nb\tso bad\tvalence\t0.100\n'
    ),
    "semeval2018/V-reg/Valence-reg-En-dev.txt": (
        "ID\tTweet\tAffect Dimension\tIntensity Score\nc\tso so\tvalence\t0.500\n"
    ),
    "semeval2018/V-reg/Valence-reg-En-test-gold.txt": (
        "ID\tTweet\tAffect Dimension\tIntensity Score\nd\talmost\tvalence\t0.550\n"
    ),
    "politeness/wikipedia.annotated.csv": (
        "Community,Id,Request,Score1,TurkId1,Normalized Score\n"
        'Wikipedia,1,"could you, please, look?",20,A,1.2\n'
        "Wikipedia,2,why did you?,9,8,A,B,-1.1\n"
    ),
    "politeness/stack-exchange.annotated.csv": (
        "Community,Id,Request,Score1,TurkId1,Normalized Score\nOverflow,3,which version?,13,A,0.1\n"
    ),
    "banking77/train.csv": "text,category\nWhere is my card?,card_arrival\n",
    "banking77/test.csv": 'text,category\n"Why, though, was I charged?",fee\n',
}
for _task, _names in {
    "irony": ("non_irony", "irony"),
    "offensive": ("not-offensive", "offensive"),
    "hate": ("not-hate", "hate"),
}.items():
    FILES[f"tweeteval/{_task}/mapping.txt"] = "".join(
        f"{number}\t{name}\n" for number, name in enumerate(_names)
    )
    for _part in ("train", "val"):
        FILES[f"tweeteval/{_task}/{_part}_text.txt"] = f"one {_task} of {_part}\nand another\n"
        FILES[f"tweeteval/{_task}/{_part}_labels.txt"] = "1\n0\n"


def write_corpora(root: Path) -> Path:
    """Write every tiny corpus below ``root`` and give ``root`` back."""
    for name, content in FILES.items():
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = content.encode()
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return root
